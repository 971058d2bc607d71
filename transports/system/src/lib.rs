//! The operating system's sockets for [`sansock`]: the mechanism that every real transport, and an event loop of your own, share.
//!
//! - [`Reactor`] is an event loop without its poller, [`Proactor`] one without its queue for the kernel (io_uring, completion ports).
//! - [`Sockets`] keeps real, non-blocking sockets under the names that the core gives them, carries out operations, and keeps those
//!   that would block until the socket is ready.
//! - [`BufferPool`] has memory to receive into.
//! - [`fault`] turns errno and Winsock codes into [`sansock::Fault`]s.
//! - [`Clock`] turns monotonic time into [`sansock::Timestamp`]s.
//! - [`CatchPanics`] confines a panic to its connection.
//!
//! There is no policy here: what to do next, and what an error means, the core decides.
//!
//! # A loop of your own
//!
//! ```no_run
//! use sansock::{Machine, Output, Op};
//! use sansock_system::{Clock, Ready, Sockets};
//! # fn wait(_: &Sockets, _: Option<std::time::Duration>) -> Vec<(sansock::SocketId, Ready)> { Vec::new() }
//! # fn forget(_: sansock::SocketId) {}
//!
//! fn drive<M: Machine>(machine: &mut M, mut on_event: impl FnMut(M::Event)) {
//!     let clock = Clock::new();
//!     let mut sockets = Sockets::new();
//!     loop {
//!         while let Some(output) = machine.poll() {
//!             match output {
//!                 Output::Event(event) => on_event(event),
//!                 Output::Submit(op) => {
//!                     if let Op::Close(close) = &op {
//!                         forget(close.socket()); // Deregister while the socket is still open.
//!                     }
//!                     if let Some(done) = sockets.submit(op) {
//!                         machine.complete(clock.now(), done).expect("the table completes what was submitted, once");
//!                     }
//!                 }
//!             }
//!         }
//!         // The deadline is read again each time: any call may have moved it.
//!         let timeout = machine.deadline().map(|deadline| clock.until(deadline));
//!         if timeout.is_none() && machine.in_flight() == 0 {
//!             return;
//!         }
//!         for (socket, ready) in wait(&sockets, timeout) {
//!             sockets.note(socket, ready);
//!             while let Some(done) = sockets.retry(socket) {
//!                 machine.complete(clock.now(), done).expect("as above");
//!             }
//!         }
//!         machine.handle_timeout(clock.now());
//!     }
//! }
//! ```
//!
//! `wait` is the part that differs between pollers: it watches the sockets of [`Sockets::waiting`], and no others, for what each waits for.

mod buffer;
mod calls;
mod clock;
mod entry;
pub mod fault;
mod guard;
mod observer;
mod proactor;
mod reactor;
mod sockets;

pub use buffer::BufferPool;
pub use clock::Clock;
pub use guard::CatchPanics;
pub use observer::Observer;
pub use proactor::{Finished, Proactor, Queue};
pub use reactor::{Reactor, Registry, Trigger};
pub use sockets::{Handle, Interest, Ready, Sockets};
