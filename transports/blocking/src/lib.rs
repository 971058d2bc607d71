//! The blocking transport for [`sansock`]: a thread per connection.
//!
//! Each connection's thread waits in `poll(2)`, for its socket and for a mailbox at once, so every wait can be interrupted from another
//! thread, sending and receiving never wait for each other, and no read time-out is used to poll.
//! A server's or client's own thread does the same for its listeners and dialling; it joins each session's thread, so that none is left
//! behind. One more thread of each server or client wakes its connections' threads when a deadline of theirs is due, because a wait with a
//! time-out costs the system more than one without. A handler that panics closes its own connection only.
//!
//! It runs where there is `poll(2)`: Unix.
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
//! let config = ServerConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)));
//! let server = sansock_blocking::serve(config, |_: &Peer| Verdict::Accept(Discard), |notice| println!("{notice:?}"))?;
//! server.drain(Duration::from_secs(5));
//! println!("{}", server.join());
//! # Ok::<(), std::io::Error>(())
//! ```

mod alarm;
mod driver;
mod mailbox;
mod running;
mod session;
mod supervisor;

use std::io;
use std::sync::Arc;

use sansock::{Client, ClientConfig, ClientReport, Handler, Server, ServerConfig, ServerReport, Service, SlotRange};
use sansock_system::{CatchPanics, Clock, Observer};

pub use running::{Remote, Running};
pub use supervisor::Notice;

/// Starts a server. `on_notice` hears what happens, on the server's thread: it must not wait for the server.
///
/// # Errors
/// There is no thread or no pipe to be had. That the server cannot listen is no error here: it stops, and its report says why.
pub fn serve<S>(
    config: ServerConfig,
    service: S,
    on_notice: impl FnMut(Notice) + Send + 'static,
) -> io::Result<Running<<S::Handler as Handler>::Message, ServerReport>>
where
    S: Service + Send + 'static,
    S::Handler: Send + 'static,
{
    serve_observed(config, service, on_notice, None)
}

/// [`serve`], with somebody who sees every operation and completion.
///
/// # Errors
/// See [`serve`].
pub fn serve_observed<S>(
    config: ServerConfig,
    service: S,
    on_notice: impl FnMut(Notice) + Send + 'static,
    observer: Option<Arc<dyn Observer>>,
) -> io::Result<Running<<S::Handler as Handler>::Message, ServerReport>>
where
    S: Service + Send + 'static,
    S::Handler: Send + 'static,
{
    let clock = Clock::new();
    let mut server = Server::new(config, CatchPanics::new(service), SlotRange::ALL).map_err(io::Error::other)?;
    server.start(clock.now()).map_err(io::Error::other)?;
    running::start(server, clock, observer, on_notice)
}

/// Starts a client. `on_notice` hears what happens, on the client's thread: it must not wait for the client.
///
/// # Errors
/// There is no thread or no pipe to be had. That nobody answers is no error here: the client stops, and its report says why.
pub fn connect<S>(
    config: ClientConfig,
    service: S,
    on_notice: impl FnMut(Notice) + Send + 'static,
) -> io::Result<Running<<S::Handler as Handler>::Message, ClientReport>>
where
    S: Service + Send + 'static,
    S::Handler: Send + 'static,
{
    connect_observed(config, service, on_notice, None)
}

/// [`connect`], with somebody who sees every operation and completion.
///
/// # Errors
/// See [`connect`].
pub fn connect_observed<S>(
    config: ClientConfig,
    service: S,
    on_notice: impl FnMut(Notice) + Send + 'static,
    observer: Option<Arc<dyn Observer>>,
) -> io::Result<Running<<S::Handler as Handler>::Message, ClientReport>>
where
    S: Service + Send + 'static,
    S::Handler: Send + 'static,
{
    let clock = Clock::new();
    let mut client = Client::new(config, CatchPanics::new(service), SlotRange::ALL).map_err(io::Error::other)?;
    client.start(clock.now()).map_err(io::Error::other)?;
    running::start(client, clock, observer, on_notice)
}
