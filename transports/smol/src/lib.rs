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
//! Every socket has two wakers that say which socket and direction they stand for, so a wake-up costs as much as there are sockets ready, not
//! as there are sockets. An operation is attempted when it is submitted; the reactor is asked only about those that would block.

mod driver;
mod shared;
mod watches;

pub use driver::Driver;
pub use shared::Remote;
