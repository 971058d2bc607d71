//! The limits of a dialer and of a client.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use super::{ConfigError, ConnectionConfig, at_least_one, timeout};
use crate::{Address, SocketOptions};

/// Whom to connect to, and within what time.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use]
pub struct DialerConfig {
    pub(crate) addresses: Vec<Address>,
    pub(crate) local: Option<Address>,
    pub(crate) options: SocketOptions,
    pub(crate) attempt: Option<Duration>,
    pub(crate) overall: Option<Duration>,
    pub(crate) retries: u8,
}

impl DialerConfig {
    /// The longest list of addresses. It bounds what a dialer keeps, since every attempt's error is kept. At 2 s for each that does not
    /// answer, the default time for all is over after the fifteenth.
    pub const MAX_ADDRESSES: usize = 64;

    /// Connect to the first of `addresses` that answers, tried in their order.
    ///
    /// # Errors
    /// The list is empty, or longer than [`DialerConfig::MAX_ADDRESSES`]: pass on the first of them.
    pub fn new(addresses: Vec<Address>) -> Result<Self, ConfigError> {
        at_least_one("addresses", addresses.len())?;
        if addresses.len() > Self::MAX_ADDRESSES {
            return Err(ConfigError::new("addresses", "more than DialerConfig::MAX_ADDRESSES; pass on the first of them"));
        }
        Ok(Self {
            addresses,
            local: None,
            options: SocketOptions::CONNECTION,
            attempt: Some(Duration::from_secs(10)),
            overall: Some(Duration::from_secs(30)),
            retries: 2,
        })
    }

    /// Bind to this address before connecting. Default: leave it to the system.
    pub fn local(mut self, address: Address) -> Self {
        self.local = Some(address);
        self
    }

    /// Options of the socket. Default [`SocketOptions::CONNECTION`].
    pub fn options(mut self, options: SocketOptions) -> Self {
        self.options = options;
        self
    }

    /// How long one address may take, from the creation of its socket to the connection. Default 10 s: three SYNs on Linux, which
    /// sends them after 0, 1 and 3 s.
    ///
    /// # Errors
    /// `Some(0)`; use `None` to leave it to the system.
    pub fn attempt(mut self, span: Option<Duration>) -> Result<Self, ConfigError> {
        self.attempt = timeout("attempt", span)?;
        Ok(self)
    }

    /// How long all addresses together may take. Default 30 s (Go: `net/http`'s dialer). Each attempt gets an equal share of what
    /// is left, but no less than 2 s (Go: `net`), so that an address that does not answer leaves time for the next.
    ///
    /// # Errors
    /// `Some(0)`; use `None` for no limit.
    pub fn overall(mut self, span: Option<Duration>) -> Result<Self, ConfigError> {
        self.overall = timeout("overall", span)?;
        Ok(self)
    }

    /// How often one address is tried again at once when the failure was ours and passes: the connection led to itself, or no local
    /// port was free. Default 2 (Go: `net`). With a local port of its own it is not tried again: that would only end like before.
    pub fn retries(mut self, retries: u8) -> Self {
        self.retries = retries;
        self
    }
}

/// The limits of a client.
///
/// What it holds is shared: a clone costs two counters, and clients that are made of clones of one configuration keep it once.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use]
pub struct ClientConfig {
    pub(crate) dialer: Arc<DialerConfig>,
    pub(crate) connection: Arc<ConnectionConfig>,
}

impl ClientConfig {
    /// A client that connects to the first of `addresses` that answers, with the default limits.
    ///
    /// # Errors
    /// See [`DialerConfig::new`].
    pub fn new(addresses: Vec<Address>) -> Result<Self, ConfigError> {
        Ok(Self { dialer: DialerConfig::new(addresses)?.into(), connection: Arc::default() })
    }

    /// How to connect; an `Arc` is shared with whoever else has it.
    pub fn dialer(mut self, dialer: impl Into<Arc<DialerConfig>>) -> Self {
        self.dialer = dialer.into();
        self
    }

    /// The limits of the connection; an `Arc` is shared with whoever else has it.
    pub fn connection(mut self, connection: impl Into<Arc<ConnectionConfig>>) -> Self {
        self.connection = connection.into();
        self
    }

    /// The slots that the client needs: one for itself and one for its socket.
    #[must_use]
    pub const fn slots_needed(&self) -> u32 {
        2
    }
}
