//! The smol transport for [`sansock`]: one future that owns a [`Node`](sansock::Node) over async-io.
//!
//! It runs on any executor: async-io brings its own reactor. To use more cores, run one [`Driver`] a thread and let their listeners share
//! the port.
//!
//! ```
//! use bytes::Bytes;
//! use sansock::{Context, Handler, Peer, ServerConfig, Verdict};
//! use std::net::SocketAddr;
//! use std::time::Duration;
//!
//! struct Discard;
//! impl Handler for Discard {
//!     type Message = std::convert::Infallible;
//!     fn on_data(&mut self, _: &mut Context<'_, Self::Message>, _: Bytes) {}
//! }
//!
//! let mut driver = sansock_smol::Driver::new();
//! let config = ServerConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)));
//! driver.serve(config, |_: &Peer| Verdict::Accept(Discard))?;
//! driver.remote().drain(Duration::from_secs(5));
//! async_io::block_on(driver.run(|event| println!("{event:?}")));
//! # Ok::<(), sansock::Misuse>(())
//! ```
//!
//! # How it waits
//!
//! An operation is attempted when it is submitted; only those that would block wait. On Linux a driver has an epoll instance of its own, in which
//! each socket is registered once, and the reactor watches that: a message costs no change of a registration. Before it goes to sleep a driver
//! looks there once more, so that under load the reactor is not asked at all; after a few looks other tasks have their turn. Elsewhere every
//! socket has two wakers that say which socket and direction they stand for. Either way a wake-up costs as much as there are sockets ready, not
//! as there are sockets.

mod driver;
#[cfg(target_os = "linux")]
mod poller;
mod shared;
#[cfg(not(target_os = "linux"))]
mod wakers;

pub use driver::Driver;
pub use shared::Remote;
