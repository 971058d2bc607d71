//! Simulated stream sockets under virtual time for [`sansock`]: a library that a test or an event loop drives.
//!
//! - [`Network`]: hosts and their kernels' sockets. Calls do what Linux's do, and never block; what they cause arrives later, in virtual time.
//! - [`Sockets`]: the operations of a machine as such calls.
//! - [`Simulation`]: several machines on the hosts of one network.
//! - [`closure`]: every reachable state of one machine, without a network.
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
//! - what a poll says ([`Network::readiness`]); descriptor limits; latency and jitter; completions that come late.
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
//! - An address that no host has is unreachable at once.
//! - IPv6 sockets never take IPv4 connections. Ports below 1024 are for everybody.
//!
//! # What is not modelled
//!
//! Congestion control, Nagle's algorithm, urgent data, keep-alive, `SO_LINGER` above zero, `SO_REUSEPORT`, several hosts
//! on one address, loss, partitions, hosts that crash.

mod agenda;
mod calls;
mod chance;
pub mod closure;
mod config;
mod deadlines;
mod ending;
mod input;
mod names;
mod network;
mod output;
mod pieces;
mod readiness;
pub mod recording;
pub mod scenario;
mod segment;
mod simulation;
mod socket;
mod sockets;
mod trace;
mod transfer;

pub use calls::{CallError, Received};
pub use config::{Hits, NetworkConfig};
pub use network::{Descriptor, HostId, Network};
pub use readiness::Readiness;
pub use simulation::{MachineId, Simulation, Spin, Step};
pub use socket::Family;
pub use sockets::Sockets;
