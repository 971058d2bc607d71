//! What is kept of the other end while a connection lasts.

use alloc::boxed::Box;
use core::net::{SocketAddr, SocketAddrV4};

use crate::{Address, Origin, Peer};

/// A [`Peer`] in a third of its size: each connection keeps one, and a client another for its report.
#[derive(Clone, Debug)]
pub(crate) struct KeptPeer(Kept);

#[derive(Clone, Debug)]
enum Kept {
    /// Between IPv4 addresses, or unknown ones.
    Short { address: Option<SocketAddrV4>, local: Option<SocketAddrV4>, origin: ShortOrigin },
    /// Everything else.
    Long(Box<Peer>),
}

/// An [`Origin`] with a number that is not too large.
#[derive(Clone, Copy, Debug)]
enum ShortOrigin {
    Accepted { listener: u16 },
    Dialled { address: u16 },
}

impl KeptPeer {
    pub(crate) fn new(peer: &Peer) -> Self {
        Self(shorten(peer).unwrap_or_else(|| Kept::Long(Box::new(*peer))))
    }

    pub(crate) fn get(&self) -> Peer {
        match &self.0 {
            Kept::Short { address, local, origin } => {
                let [address, local] = [address, local].map(|end| end.map(|end| Address::Ip(SocketAddr::V4(end))));
                let origin = match *origin {
                    ShortOrigin::Accepted { listener } => Origin::Accepted { listener: listener.into() },
                    ShortOrigin::Dialled { address } => Origin::Dialled { address: address.into() },
                };
                Peer { address, local, origin }
            }
            Kept::Long(peer) => **peer,
        }
    }
}

fn shorten(peer: &Peer) -> Option<Kept> {
    let short = |end: Option<Address>| match end {
        None => Some(None),
        Some(Address::Ip(SocketAddr::V4(end))) => Some(Some(end)),
        Some(Address::Ip(SocketAddr::V6(_))) => None,
    };
    let origin = match peer.origin {
        Origin::Accepted { listener } => ShortOrigin::Accepted { listener: listener.try_into().ok()? },
        Origin::Dialled { address } => ShortOrigin::Dialled { address: address.try_into().ok()? },
    };
    Some(Kept::Short { address: short(peer.address)?, local: short(peer.local)?, origin })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_kept_comes_back() {
        let ends = [None, Some(([10, 0, 0, 1], 80).into()), Some(([0, 0, 0, 0, 0, 0, 0, 1], 7).into())];
        let ends = ends.map(|end: Option<SocketAddr>| end.map(Address::Ip));
        for number in [0, 1, 0xffff, 0x10000, usize::MAX] {
            for origin in [Origin::Accepted { listener: number }, Origin::Dialled { address: number }] {
                for (address, local) in ends.iter().flat_map(|end| ends.map(|other| (*end, other))) {
                    let peer = Peer { address, local, origin };
                    assert_eq!(KeptPeer::new(&peer).get(), peer);
                }
            }
        }
        assert!(size_of::<KeptPeer>() * 3 <= size_of::<Peer>());
    }

    #[test]
    fn between_ipv4_addresses_it_takes_no_memory_of_its_own() {
        let end = Some(Address::Ip(([10, 0, 0, 1], 80).into()));
        let peer = Peer { address: end, local: end, origin: Origin::Dialled { address: 1 } };
        assert!(matches!(KeptPeer::new(&peer).0, Kept::Short { .. }));
    }
}
