//! The addresses that a network has met, by number: names of sockets are small, and quick to compare and to hash.

use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;

use rustc_hash::FxHashMap;

use crate::socket::Family;

/// An address of a network. Its number says the family, and whether it is unspecified.
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
    /// By place.
    all: Vec<IpAddr>,
    ids: FxHashMap<Whole, AddressId>,
}

/// An address as a key: hashed in whole words. The bytes one by one would take most of the time here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Whole(IpAddr);

impl Hash for Whole {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        match self.0 {
            IpAddr::V4(ip) => hasher.write_u32(ip.to_bits()),
            IpAddr::V6(ip) => hasher.write_u128(ip.to_bits()),
        }
    }
}

impl Addresses {
    pub(crate) fn new() -> Self {
        let mut addresses = Self { all: Vec::new(), ids: FxHashMap::default() };
        for family in [Family::V4, Family::V6] {
            let id = addresses.id(unspecified(family));
            debug_assert_eq!(id, AddressId::unspecified(family));
        }
        addresses
    }

    pub(crate) fn id(&mut self, ip: IpAddr) -> AddressId {
        let next = self.all.len();
        *self.ids.entry(Whole(ip)).or_insert_with(|| {
            self.all.push(ip);
            AddressId::new(next, ip)
        })
    }

    /// The name of this address and port. There are no interfaces in a simulation: the scope of an IPv6 address says nothing.
    pub(crate) fn name(&mut self, address: SocketAddr) -> Name {
        Name { address: self.id(address.ip()), port: address.port() }
    }

    /// The address of this number.
    pub(crate) fn ip(&self, id: AddressId) -> IpAddr {
        self.all[id.place()]
    }

    /// What is meant by this name.
    pub(crate) fn address(&self, name: Name) -> SocketAddr {
        SocketAddr::new(self.ip(name.address), name.port)
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
    use super::*;

    #[test]
    fn addresses_that_differ_have_names_that_do_and_come_back() {
        let v6 = |ip: u128, port| SocketAddr::from((Ipv6Addr::from(ip), port));
        let all = [
            SocketAddr::from(([0, 0, 0, 0], 1)),
            SocketAddr::from(([0, 0, 0, 0], 2)),
            SocketAddr::from(([10, 0, 0, 1], 1)),
            SocketAddr::from(([10, 0, 0, 2], 65_535)),
            v6(0, 1),
            v6(7, 1),
            v6(7, 2),
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
