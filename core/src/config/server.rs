//! The limits of a listener and of a server.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use super::{ConfigError, ConnectionConfig, at_least_one, span};
use crate::{Address, SocketOptions};

/// What a listener listens on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub struct ListenerConfig {
    pub(crate) address: Address,
    pub(crate) backlog: u32,
    pub(crate) options: SocketOptions,
    pub(crate) accepted: SocketOptions,
    pub(crate) retry_first: Duration,
    pub(crate) retry_most: Duration,
    pub(crate) sweep: usize,
    pub(crate) accepts: usize,
}

impl ListenerConfig {
    /// A listener on `address`; port 0 asks for any free port.
    pub fn new(address: impl Into<Address>) -> Self {
        Self {
            address: address.into(),
            backlog: 1024,
            options: SocketOptions::LISTENER,
            accepted: SocketOptions::CONNECTION,
            retry_first: Duration::from_millis(5),
            retry_most: Duration::from_secs(1),
            sweep: 1024,
            accepts: 1,
        }
    }

    /// How many connections the system may queue. Default 1024 (Ranch). The system caps it without saying so, and makes what it
    /// likes of 0; it is no limit on live connections.
    pub const fn backlog(mut self, connections: u32) -> Self {
        self.backlog = connections;
        self
    }

    /// Options of the listening socket. Default [`SocketOptions::LISTENER`].
    pub const fn options(mut self, options: SocketOptions) -> Self {
        self.options = options;
        self
    }

    /// Options of accepted sockets, set after each accept. Default [`SocketOptions::CONNECTION`].
    pub const fn accepted_options(mut self, options: SocketOptions) -> Self {
        self.accepted = options;
        self
    }

    /// The delays after an accept that failed because something had run out; they double from `first` to `most` until one succeeds.
    /// Default 5 ms and 1 s (Go's `net/http`).
    ///
    /// # Errors
    /// A delay of zero, or `most` below `first`.
    pub const fn retry(mut self, first: Duration, most: Duration) -> Result<Self, ConfigError> {
        match span("retry", first) {
            Ok(first) if most.as_nanos() >= first.as_nanos() => {
                self.retry_first = first;
                self.retry_most = most;
                Ok(self)
            }
            Ok(_) => Err(ConfigError::new("retry", "the longest delay must not be below the first")),
            Err(error) => Err(error),
        }
    }

    /// How many accepts may be in flight at a time. Default 1: a transport that asks the system whether somebody is there needs no more.
    /// One that leaves the accepts to the system (io_uring, completion ports) takes as many connections without a turn of its loop for
    /// each. Each holds a place of [`ServerConfig::max_connections`], and there are never more of them than free places.
    ///
    /// # Errors
    /// Zero.
    pub const fn accepts(mut self, accepts: usize) -> Result<Self, ConfigError> {
        match at_least_one("accepts", accepts) {
            Ok(accepts) => self.accepts = accepts,
            Err(error) => return Err(error),
        }
        Ok(self)
    }

    /// The most connections that a drain still takes from the system's queue before it closes the listener. Default 1024, the
    /// default backlog. With 0 a drain closes the listener at once, and what is queued is reset.
    pub const fn sweep(mut self, connections: usize) -> Self {
        self.sweep = connections;
        self
    }
}

/// The limits of a server.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use]
pub struct ServerConfig {
    pub(crate) listeners: Vec<ListenerConfig>,
    pub(crate) max_connections: usize,
    pub(crate) connection: Arc<ConnectionConfig>,
}

impl ServerConfig {
    /// A server with one listener on `address`, at most 1024 connections (Ranch: `max_connections`) and the default limits.
    pub fn new(address: impl Into<Address>) -> Self {
        Self { listeners: [ListenerConfig::new(address)].into(), max_connections: 1024, connection: Arc::default() }
    }

    /// The listeners. They start together: if one cannot, none does.
    ///
    /// # Errors
    /// The list is empty.
    pub fn listeners(mut self, listeners: Vec<ListenerConfig>) -> Result<Self, ConfigError> {
        at_least_one("listeners", listeners.len())?;
        self.listeners = listeners;
        Ok(self)
    }

    /// The hard cap: live connections and accepts in flight are never more than this together. Each accept in flight holds a place,
    /// so with several listeners and one place left, only one of them can accept; they take turns.
    ///
    /// # Errors
    /// Zero.
    pub fn max_connections(mut self, connections: usize) -> Result<Self, ConfigError> {
        self.max_connections = at_least_one("max_connections", connections)?;
        Ok(self)
    }

    /// The limits of each connection; an `Arc` is shared with whoever else has it.
    pub fn connection(mut self, connection: impl Into<Arc<ConnectionConfig>>) -> Self {
        self.connection = connection.into();
        self
    }

    /// The slots that the server needs: one for itself, one for each listener, one for each connection.
    #[must_use]
    pub fn slots_needed(&self) -> u32 {
        let needed = self.listeners.len().saturating_add(self.max_connections).saturating_add(1);
        u32::try_from(needed).unwrap_or(u32::MAX)
    }
}
