//! Addresses, and who is at the other end.

use core::fmt;
use core::net::SocketAddr;

/// Where a socket is. More families may be added.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Address {
    /// An IPv4 or IPv6 address with its port.
    Ip(SocketAddr),
}

impl Address {
    /// The port, for families that have one.
    #[must_use]
    pub const fn port(self) -> Option<u16> {
        match self {
            Self::Ip(address) => Some(address.port()),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => fmt::Display::fmt(address, f),
        }
    }
}

/// How a connection came about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Origin {
    /// A listener accepted it; the number is the listener's place in its server's configuration, from 0.
    Accepted {
        /// The listener's place in its server's configuration, from 0.
        listener: usize,
    },
    /// We dialled; the number is the address's place in the client's list, from 0.
    Dialled {
        /// The address's place in the client's list, from 0.
        address: usize,
    },
}

/// What is known of a connection before its first byte.
///
/// Both addresses are options: a peer may be gone before it can be asked for its address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Peer {
    /// The other end.
    pub address: Option<Address>,
    /// Our end.
    pub local: Option<Address>,
    /// Who called whom.
    pub origin: Origin,
}
