//! The names that the sockets of one host have: who is bound to what, who listens where, which connections there are, and which names rest
//! in TIME_WAIT.

use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;
use sansock::Timestamp;

use crate::addresses::{AddressId, Name};
use crate::network::Descriptor;
use crate::ports::{Holders, Ports};

/// Nothing here is ever walked through, so the order of a hash map shows nowhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    ports: Ports,
    listeners: FxHashMap<Name, Descriptor>,
    /// By the own and the peer's name.
    connections: FxHashMap<(Name, Name), Connection>,
    last_port: u16,
}

/// How a socket holds its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Hold {
    /// Without `SO_REUSEADDR`.
    pub(crate) exclusive: bool,
    pub(crate) listening: bool,
    /// It was bound by the application, or comes from a listener: a connect does not share the port.
    pub(crate) bound: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Connection {
    Socket(Descriptor),
    /// It ended here, and its name rests.
    TimeWait(Rest),
}

/// Since when a name rests, and how it is held meanwhile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Rest {
    pub(crate) since: Timestamp,
    pub(crate) hold: Hold,
}

impl Names {
    /// True if a socket may not have this name beside those that have it. `own` is how it has the name already.
    pub(crate) fn conflict(&self, name: Name, wanted: Hold, own: Option<Hold>) -> bool {
        let mut holders = self.holders(name);
        if let Some(own) = own {
            holders.change(own, |count| count - 1);
        }
        if wanted.exclusive { holders.all > 0 } else { holders.exclusive > 0 || holders.listening > 0 }
    }

    pub(crate) fn hold(&mut self, name: Name, hold: Hold) {
        self.ports.get_mut(name).change(name.address, hold, |count| count + 1);
    }

    pub(crate) fn release(&mut self, name: Name, hold: Hold) {
        self.ports.get_mut(name).change(name.address, hold, |count| count - 1);
    }

    /// A port that nobody has on this address.
    pub(crate) fn free_port(&mut self, address: AddressId, range: (u16, u16)) -> Option<u16> {
        self.find_port(range, |names, port| names.holders(Name { address, port }).all == 0)
    }

    /// A port from which `address` can connect to `remote`: nobody is bound to it, and there is no such connection.
    pub(crate) fn port_to_connect(
        &mut self,
        address: AddressId,
        remote: Name,
        range: (u16, u16),
        may_replace: impl Fn(Connection) -> bool,
    ) -> Option<u16> {
        self.find_port(range, |names, port| {
            let own = Name { address, port };
            names.ports.get(own).is_none_or(|port| port.all.bound == 0)
                && names.connections.get(&(own, remote)).is_none_or(|connection| may_replace(*connection))
        })
    }

    pub(crate) fn listen(&mut self, name: Name, listener: Descriptor) {
        self.listeners.insert(name, listener);
    }

    pub(crate) fn stop_listening(&mut self, name: Name) {
        self.listeners.remove(&name);
    }

    /// Who listens at this address, or at any.
    pub(crate) fn listener(&self, to: Name) -> Option<Descriptor> {
        self.listeners.get(&to).or_else(|| self.listeners.get(&to.of_any_address())).copied()
    }

    pub(crate) fn connection(&self, own: Name, remote: Name) -> Option<Connection> {
        self.connections.get(&(own, remote)).copied()
    }

    /// There is this connection now; a name that rested does so no longer.
    pub(crate) fn connect(&mut self, own: Name, remote: Name, socket: Descriptor) {
        self.replace(own, remote, Connection::Socket(socket));
    }

    /// The connection has ended, and its name rests: held as its socket held it, or as one more if the socket holds on to it.
    pub(crate) fn rest(&mut self, own: Name, remote: Name, rest: Rest, beside_socket: bool) {
        if beside_socket {
            self.hold(own, rest.hold);
        }
        self.replace(own, remote, Connection::TimeWait(rest));
    }

    /// The name has rested long enough.
    pub(crate) fn end_rest(&mut self, own: Name, remote: Name, rest: Rest) {
        if self.disconnect(own, remote, Connection::TimeWait(rest)) {
            self.release(own, rest.hold);
        }
    }

    /// Removes the connection, if it is this one.
    pub(crate) fn disconnect(&mut self, own: Name, remote: Name, connection: Connection) -> bool {
        match self.connections.entry((own, remote)) {
            Entry::Occupied(entry) if *entry.get() == connection => {
                entry.remove();
                true
            }
            _ => false,
        }
    }

    fn replace(&mut self, own: Name, remote: Name, connection: Connection) {
        if let Some(Connection::TimeWait(rest)) = self.connections.insert((own, remote), connection) {
            self.release(own, rest.hold);
        }
    }

    /// Who has this name, or one that includes it.
    fn holders(&self, name: Name) -> Holders {
        let Some(port) = self.ports.get(name) else { return Holders::default() };
        if name.address.is_unspecified() {
            return port.all;
        }
        let [own, any] = [name, name.of_any_address()].map(|name| port.of_address(name.address));
        Holders {
            all: own.all + any.all,
            exclusive: own.exclusive + any.exclusive,
            listening: own.listening + any.listening,
            bound: own.bound + any.bound,
        }
    }

    /// The host has crashed. The next port is not the first one again, as it would not be on Linux, which draws.
    pub(crate) fn forget(&mut self) {
        *self = Self { last_port: self.last_port, ..Self::default() };
    }

    /// Goes round the range, from behind the port that was found last.
    fn find_port(&mut self, (first, last): (u16, u16), fits: impl Fn(&Self, u16) -> bool) -> Option<u16> {
        let mut port = self.last_port;
        for _ in first..=last {
            port = if (first..last).contains(&port) { port + 1 } else { first };
            if fits(self, port) {
                self.last_port = port;
                return Some(port);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv6Addr, SocketAddr};

    use proptest::prelude::*;

    use super::*;
    use crate::addresses::{Addresses, unspecified};
    use crate::socket::Family;

    /// Few of each kind, so that some are the same, and some differ in one part.
    fn names() -> impl Strategy<Value = SocketAddr> {
        let v4 = (0..3_u8, 1..3_u16).prop_map(|(ip, port)| SocketAddr::from(([0, 0, 0, ip], port)));
        let v6 = (0..3_u128, 1..3_u16).prop_map(|(ip, port)| SocketAddr::from((Ipv6Addr::from(ip), port)));
        prop_oneof![v4, v6]
    }

    fn includes(wide: SocketAddr, name: SocketAddr) -> bool {
        wide == name || wide == SocketAddr::new(unspecified(Family::of(name.ip())), name.port())
    }

    proptest! {
        #[test]
        fn a_name_conflicts_with_those_that_hold_it_or_one_that_includes_it(
            held in prop::collection::vec((names(), any::<[bool; 3]>(), any::<bool>()), 0..20), name in names(), exclusive: bool
        ) {
            let (mut own, mut addresses) = (Names::default(), Addresses::new());
            let mut model = Vec::new();
            for (name, [exclusive, listening, bound], released) in held {
                let hold = Hold { exclusive, listening, bound };
                own.hold(addresses.name(name), hold);
                if released {
                    own.release(addresses.name(name), hold);
                } else {
                    model.push((name, hold));
                }
            }
            let unspecified = name.ip().is_unspecified();
            let same_port = |other: SocketAddr| (Family::of(other.ip()), other.port()) == (Family::of(name.ip()), name.port());
            let expected = model.iter().any(|(other, hold)| {
                let meets = if unspecified { same_port(*other) } else { includes(*other, name) };
                meets && (exclusive || hold.exclusive || hold.listening)
            });
            prop_assert_eq!(own.conflict(addresses.name(name), Hold { exclusive, ..Hold::default() }, None), expected);
        }

        #[test]
        fn a_connection_is_found_by_both_of_its_names_and_by_no_others(
            all in prop::collection::vec((names(), names(), any::<bool>()), 0..20), own in names(), remote in names()
        ) {
            let (mut names, mut model, mut addresses) = (Names::default(), Vec::new(), Addresses::new());
            let mut both = |own, remote| (addresses.name(own), addresses.name(remote));
            for (number, (own, remote, ends)) in all.into_iter().enumerate() {
                let socket = Descriptor(slotmap::KeyData::from_ffi(number as u64 | 1 << 32).into());
                let (own, remote) = both(own, remote);
                names.connect(own, remote, socket);
                model.retain(|(names, _)| *names != (own, remote));
                if ends {
                    prop_assert!(!names.disconnect(own, remote, Connection::Socket(Descriptor::none())));
                    prop_assert!(names.disconnect(own, remote, Connection::Socket(socket)));
                } else {
                    model.push(((own, remote), socket));
                }
            }
            let (own, remote) = both(own, remote);
            let expected = model.iter().find(|(names, _)| *names == (own, remote));
            prop_assert_eq!(names.connection(own, remote), expected.map(|(_, socket)| Connection::Socket(*socket)));
        }
    }
}
