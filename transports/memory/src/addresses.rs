//! The addresses that a network has met, by number: names of sockets are small, and quick to compare and to hash.

use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;

use rustc_hash::FxHashMap;

use crate::socket::Family;

/// An address of a network, with what distinguishes IPv6 addresses beside it. Its number says the family, and whether it is unspecified.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct AddressId(NonZeroU32);

/// The bits of the number below the place in the table.
const V6: u32 = 1;
const UNSPECIFIED: u32 = 2;
const PLACE_SHIFT: u32 = 2;

/// An address and a port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Name {
    pub(crate) address: AddressId,
    pub(crate) port: u16,
}

/// Every address that was bound or connected to. None is ever forgotten: there are as many as a simulation uses.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    /// By place, each with port 0.
    all: Vec<SocketAddr>,
    ids: FxHashMap<Whole, AddressId>,
}

/// An address as a key, without its port: hashed in whole words. The bytes one by one would take most of the time here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Whole(SocketAddr);

impl Hash for Whole {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        match self.0 {
            SocketAddr::V4(address) => hasher.write_u32(address.ip().to_bits()),
            SocketAddr::V6(address) => {
                hasher.write_u128(address.ip().to_bits());
                hasher.write_u32(address.scope_id());
            }
        }
    }
}

impl Addresses {
    pub(crate) fn new() -> Self {
        let mut addresses = Self { all: Vec::new(), ids: FxHashMap::default() };
        for family in [Family::V4, Family::V6] {
            let name = addresses.name(SocketAddr::new(unspecified(family), 0));
            debug_assert_eq!(name.address, AddressId::unspecified(family));
        }
        addresses
    }

    /// The name of this address and port.
    pub(crate) fn name(&mut self, address: SocketAddr) -> Name {
        let mut whole = address;
        whole.set_port(0);
        let next = self.all.len();
        let id = *self.ids.entry(Whole(whole)).or_insert_with(|| {
            self.all.push(whole);
            AddressId::new(next, whole.ip())
        });
        Name { address: id, port: address.port() }
    }

    /// What is meant by this name.
    pub(crate) fn address(&self, name: Name) -> SocketAddr {
        let mut address = self.all[name.address.place()];
        address.set_port(name.port);
        address
    }
}

impl AddressId {
    fn new(place: usize, ip: IpAddr) -> Self {
        let place = u32::try_from(place + 1).unwrap_or(u32::MAX) << PLACE_SHIFT;
        let family = if ip.is_ipv6() { V6 } else { 0 };
        let unspecified = if ip.is_unspecified() { UNSPECIFIED } else { 0 };
        Self(NonZeroU32::new(place | family | unspecified).unwrap_or(NonZeroU32::MAX))
    }

    /// The two that every network has, with the first places.
    pub(crate) const fn unspecified(family: Family) -> Self {
        let number = match family {
            Family::V4 => 1 << PLACE_SHIFT | UNSPECIFIED,
            Family::V6 => 2 << PLACE_SHIFT | UNSPECIFIED | V6,
        };
        match NonZeroU32::new(number) {
            Some(number) => Self(number),
            None => Self(NonZeroU32::MIN),
        }
    }

    pub(crate) const fn family(self) -> Family {
        if self.0.get() & V6 == 0 { Family::V4 } else { Family::V6 }
    }

    pub(crate) const fn is_unspecified(self) -> bool {
        self.0.get() & UNSPECIFIED != 0
    }

    const fn place(self) -> usize {
        (self.0.get() >> PLACE_SHIFT) as usize - 1
    }
}

impl Name {
    /// The same port of every address of the family.
    pub(crate) const fn of_any_address(self) -> Self {
        Self { address: AddressId::unspecified(self.address.family()), port: self.port }
    }

    /// All of it in one number.
    pub(crate) const fn number(self) -> u64 {
        (self.address.0.get() as u64) << 16 | self.port as u64
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.number());
    }
}

pub(crate) const fn unspecified(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Family::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

pub(crate) const fn loopback(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Family::V6 => IpAddr::V6(Ipv6Addr::LOCALHOST),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddrV6;

    use super::*;

    #[test]
    fn addresses_that_differ_in_anything_have_names_that_do_and_come_back_whole() {
        let v6 = |ip: u128, port, flow, scope| SocketAddr::from(SocketAddrV6::new(Ipv6Addr::from(ip), port, flow, scope));
        let all = [
            SocketAddr::from(([0, 0, 0, 0], 1)),
            SocketAddr::from(([0, 0, 0, 0], 2)),
            SocketAddr::from(([10, 0, 0, 1], 1)),
            SocketAddr::from(([10, 0, 0, 2], 65_535)),
            v6(0, 1, 0, 0),
            v6(0, 1, 0, 1),
            v6(7, 1, 0, 0),
            v6(7, 1, 1, 0),
            v6(7, 1, 0, 1),
        ];
        let mut addresses = Addresses::new();
        let names = all.map(|address| addresses.name(address));
        for (place, (name, address)) in names.into_iter().zip(all).enumerate() {
            assert_eq!(addresses.address(name), address);
            assert_eq!(addresses.name(address), name, "it is met once");
            assert!(!names[..place].contains(&name), "{address}");
            assert_eq!(name.address.family(), Family::of(address.ip()));
            assert_eq!(name.address.is_unspecified(), address.ip().is_unspecified());
            let any = SocketAddr::new(unspecified(Family::of(address.ip())), address.port());
            assert_eq!(addresses.address(name.of_any_address()), any);
        }
    }
}
