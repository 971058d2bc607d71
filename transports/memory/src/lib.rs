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
//! Connections that are refused, or time out after their SYNs were dropped; the backlog; ports; half-close; end of file after all data;
//! reset by an abortive close, by a close with unread data, and by data that arrives after a close, with the order of errors that Linux
//! has (data first, then the error once, then end of file or broken pipe); bounded buffers and the zero window; short receives and sends;
//! latency and jitter; descriptor limits; completions that come late.
//!
//! # What is not
//!
//! Loss, congestion, segments of a size that matters, keep-alive, `TIME_WAIT`, several hosts on one address, partitions.

mod calls;
mod chance;
pub mod closure;
mod config;
mod network;
pub mod recording;
pub mod scenario;
mod simulation;
mod socket;
mod sockets;
mod trace;

pub use calls::{CallError, Received};
pub use config::{Hits, NetworkConfig};
pub use network::{Descriptor, HostId, Network};
pub use simulation::{MachineId, Simulation, Spin, Step};
pub use sockets::Sockets;
