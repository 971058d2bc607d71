//! What the two worlds have in common.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::Bytes;
use sansock_memory::{Family, Readiness};

use super::call::Name;

/// What can be seen of a socket without changing it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Look {
    pub(super) readiness: Readiness,
    pub(super) local: Option<SocketAddr>,
    pub(super) peer: Option<SocketAddr>,
}

/// Where a script's sockets are bound: an address and a port of its own, so that nobody else's sockets are in the way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) address: Ipv4Addr,
    /// Below those that the system gives out.
    pub(super) port: u16,
}

impl Place {
    pub(super) fn loopback(self, family: Family) -> IpAddr {
        match family {
            Family::V4 => self.address.into(),
            Family::V6 => Ipv6Addr::LOCALHOST.into(),
        }
    }

    /// What a socket of this family is to be bound to; `name_of` says what a socket's name is.
    pub(super) fn name(self, family: Family, name: Name, name_of: impl Fn(usize) -> Option<SocketAddr>) -> Option<SocketAddr> {
        let any = |family| match family {
            Family::V4 => IpAddr::from(Ipv4Addr::UNSPECIFIED),
            Family::V6 => IpAddr::from(Ipv6Addr::UNSPECIFIED),
        };
        Some(match name {
            Name::Free => SocketAddr::new(self.loopback(family), 0),
            Name::FreeEverywhere => SocketAddr::new(any(family), 0),
            Name::Own => SocketAddr::new(self.loopback(family), self.port),
            Name::OwnEverywhere => SocketAddr::new(any(family), self.port),
            Name::Of(other) => name_of(other)?,
            Name::PortOf(other) => name_of(other).map(|name| SocketAddr::new(any(Family::of(name.ip())), name.port()))?,
            // Reserved for documentation (RFC 5737, RFC 3849).
            Name::Foreign if family == Family::V4 => SocketAddr::from(([192, 0, 2, 1], 0)),
            Name::Foreign => SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 0)),
        })
    }
}

/// The bytes of a stream from this offset on: each place has its own, so that a loss or a repetition shows.
pub(super) fn pattern(offset: usize, size: usize) -> Bytes {
    (offset..offset + size).map(byte_at).collect()
}

/// True if these are the bytes of a stream from this offset on.
pub(super) fn matches(offset: usize, data: &[u8]) -> bool {
    data.iter().zip(offset..).all(|(byte, place)| *byte == byte_at(place))
}

const fn byte_at(place: usize) -> u8 {
    (place ^ (place >> 8).wrapping_mul(31) ^ (place >> 16).wrapping_mul(57)) as u8
}

/// How many bytes a socket has sent and received since it was last connected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Meter {
    pub(super) sent: usize,
    pub(super) received: usize,
}
