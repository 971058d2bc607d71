//! Simulated stream sockets under virtual time for [`sansock`]: a library that a test or an event loop drives.
//!
//! - [`Network`]: hosts and their kernels' sockets. Calls do what Linux's do, and never block; what they cause arrives later, in virtual time.
//! - [`Sockets`]: the operations of a machine as such calls.
//! - [`Simulation`]: several machines on the hosts of one network.
//! - [`world`]: hosts that start, crash and start again, under a [`scenario`]; rules that must hold.
//! - [`campaign`]: a world for each of many seeds; failures made small, replayed, [drawn and captured](recording).
//! - [`closure`]: every reachable state of one machine, without a network.
//! - [`fuzz`]: whatever bytes decide happens to a handler, a server or a client.
//!
//! [Simulation testing in ten minutes](guide) is where to begin.
//!
//! There are no threads, no real clock and no global state: from one seed every run is the same, and [`Simulation::trace_hash`] tells.
//!
//! # What is modelled
//!
//! The states of TCP and those of the socket layer above it, as Linux 6.18 has them:
//!
//! - connecting: refusal after a round trip; SYNs that are sent again and time out; the backlog, of which one more than asked for fit; a
//!   handshake of three segments; simultaneous open, and a socket that connects to itself;
//! - names: both families, several hosts and addresses; who may bind beside whom, with and without `SO_REUSEADDR`; ports that run out, per
//!   destination; `TIME_WAIT`, and who may take its name over;
//! - data: send and receive buffers, short sends and receives, the window and when it is announced, acknowledgements;
//! - ends: half-close, shutting down either direction, reset by an abortive close, by a close with unread data and by data that nobody will
//!   read, with the order of errors that Linux has (data first, then the error once, then end of file or broken pipe);
//! - what a poll says ([`Network::readiness`]); descriptor limits; completions that come late;
//! - between hosts: latency, jitter, bandwidth and loss of each direction ([`Link`]); partitions, holds; retransmission with Linux's times, until
//!   the connection is given up; hosts that crash without a word and come up again; keep-alive ([`Network::keep_alive`]); addresses that nobody
//!   has.
//!
//! Random scripts of calls run on these sockets and on Linux's loopback, and every answer and every poll must agree:
//! `cargo test -p sansock-tests --test sockets`.
//!
//! # What differs
//!
//! The table is in `tests/src/differential/mod.rs`, with the reasons. What matters most:
//!
//! - Buffers count bytes of data. Linux charges them with the memory that packets take, so it takes more or less than its limit says.
//! - A SYN takes its place in the backlog when it comes. Linux takes it when the handshake is done, so that many clients which connect at
//!   the same time can all believe that they are connected although some never will be.
//! - IPv6 sockets never take IPv4 connections. Ports below 1024 are for everybody.
//!
//! # What is not modelled
//!
//! Congestion control, fast retransmission (what is behind a lost segment waits for it), Nagle's algorithm, urgent data, `SO_LINGER` above zero,
//! `SO_REUSEPORT`, several hosts on one address, interfaces (the scope of an IPv6 address is ignored, as is its flow), routes and what stands
//! between two hosts. Names of hosts are resolved by a [`World`](world::Host::resolve),
//! not over the network.

/// Returns a broken rule from a function that gives a [`closure::Check`].
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}

mod addresses;
mod agenda;
mod calls;
pub mod campaign;
mod chance;
mod clock;
pub mod closure;
mod config;
mod deadlines;
mod descriptors;
mod ending;
mod faults;
pub mod fuzz;
#[doc = include_str!("guide.md")]
pub mod guide {}
mod hosts;
mod input;
mod keep_alive;
mod links;
mod names;
mod network;
mod output;
mod pieces;
mod ports;
mod readiness;
pub mod recording;
mod recovery;
pub mod scenario;
mod segment;
mod simulation;
mod socket;
mod sockets;
mod trace;
mod transfer;
pub mod world;

pub use calls::{CallError, Received};
pub use config::{Hits, NetworkConfig};
pub use faults::InjectionId;
pub use links::Link;
pub use network::{Descriptor, HostId, Network};
pub use readiness::Readiness;
pub use simulation::{MachineId, Progress, Simulation, Spin, Step};
pub use socket::Family;
pub use sockets::Sockets;
