//! Hosts, sockets and what travels between them, in virtual time.

use std::collections::VecDeque;
use std::net::IpAddr;

use rustc_hash::FxHashMap;
use sansock::{SocketId, Timestamp};
use slotmap::{DefaultKey, Key, SlotMap};

use crate::addresses::{Addresses, Name};
use crate::agenda::{Agenda, give_back};
use crate::chance::{Chance, Purpose};
use crate::config::{Hits, NetworkConfig};
use crate::links::Path;
use crate::names::{Names, Rest};
use crate::pieces::Store;
use crate::recording::Recording;
use crate::segment::Arrival;
use crate::socket::{Holder, Owner, Socket, State};
use crate::trace::Trace;

/// A host of a network.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HostId(pub(crate) u32);

/// A simulated socket: what a descriptor is to a process. None is used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Descriptor(pub(crate) DefaultKey);

/// A simulated network: hosts, their kernels' sockets, and virtual time.
///
/// Socket calls never block and happen at the present virtual time; what they cause travels and arrives when
/// [`advance`](Network::advance) moves time on. Everything is determined by the configuration, the seed and the calls.
#[derive(Clone, Debug)]
pub struct Network {
    pub(crate) now: Timestamp,
    pub(crate) config: NetworkConfig,
    pub(crate) seed: u64,
    pub(crate) hits: Hits,
    pub(crate) trace: Trace,
    pub(crate) hosts: Vec<Host>,
    hosts_by_address: FxHashMap<IpAddr, HostId>,
    pub(crate) addresses: Addresses,
    pub(crate) sockets: SlotMap<DefaultKey, Socket>,
    pub(crate) arrivals: Agenda<Arrival>,
    /// Every segment simply takes the latency of the configuration: nobody has set a link or crashed a host, and nobody records.
    pub(crate) calm: bool,
    /// The links that are used, in a network that is not calm. Their order shows nowhere.
    pub(crate) paths: FxHashMap<(HostId, HostId), Path>,
    pub(crate) recording: Option<Box<Recording>>,
    /// In earlier recordings.
    pub(crate) segments_recorded: u32,
    /// What sockets have queued.
    pub(crate) store: Store,
    changed: VecDeque<Descriptor>,
    /// Sockets that have something to acknowledge. If nothing else is sent at this instant, an acknowledgement is.
    pub(crate) owing: Vec<Descriptor>,
    /// In the order in which they end, since all last equally long.
    resting: VecDeque<(Timestamp, Resting)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) name: String,
    /// What its chances are drawn by.
    pub(crate) key: u64,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) names: Names,
    pub(crate) descriptor_limit: usize,
    pub(crate) open: usize,
    /// It has crashed.
    pub(crate) down: bool,
    pub(crate) shortness: Chance,
    /// How many machines of a simulation are on it.
    pub(crate) machines: u64,
}

/// What is left of a connection that this end has closed.
#[derive(Clone, Copy, Debug)]
enum Resting {
    /// Its names, in TIME_WAIT.
    Names { host: HostId, own: Name, remote: Name, rest: Rest },
    /// A socket that waits for its peer's FIN, in FIN_WAIT_2.
    Socket(Descriptor),
}

impl Network {
    /// A network without hosts.
    #[must_use]
    pub fn new(config: NetworkConfig, seed: u64) -> Self {
        Self {
            now: Timestamp::ZERO,
            config,
            seed,
            hits: Hits::default(),
            trace: Trace::new(),
            hosts: Vec::new(),
            hosts_by_address: FxHashMap::default(),
            addresses: Addresses::new(),
            sockets: SlotMap::new(),
            arrivals: Agenda::default(),
            calm: config.jitter.is_zero(),
            paths: FxHashMap::default(),
            recording: None,
            segments_recorded: 0,
            store: Store::new(),
            changed: VecDeque::new(),
            owing: Vec::new(),
            resting: VecDeque::new(),
        }
    }

    /// Adds a host with these addresses, beside its loopback addresses. An address that another host has stays with that one. Its name is
    /// `host` and its number, until it is given [another one](Network::name_host).
    pub fn add_host(&mut self, addresses: impl IntoIterator<Item = IpAddr>) -> HostId {
        let host = HostId(u32::try_from(self.hosts.len()).unwrap_or(u32::MAX));
        let addresses: Vec<_> = addresses.into_iter().collect();
        for address in &addresses {
            self.hosts_by_address.entry(*address).or_insert(host);
        }
        let (name, key) = (format!("host{}", host.0), u64::from(host.0));
        if let Some(recording) = &mut self.recording {
            recording.add_host(name.clone(), addresses.iter().copied());
        }
        self.hosts.push(Host {
            name,
            key,
            addresses,
            names: Names::default(),
            descriptor_limit: usize::MAX,
            open: 0,
            down: false,
            shortness: Chance::of_key(self.seed, Purpose::Shortness, key),
            machines: 0,
        });
        host
    }

    /// Adds a host as [`add_host`](Network::add_host) does, with a name.
    pub fn add_host_named(&mut self, name: &str, addresses: impl IntoIterator<Item = IpAddr>) -> HostId {
        let host = self.add_host(addresses);
        self.name_host(host, name);
        host
    }

    /// Limits the sockets that the host may have open. Those above the limit stay open. Default: no limit.
    pub fn limit_descriptors(&mut self, host: HostId, limit: usize) {
        self.hosts[host.index()].descriptor_limit = limit;
    }

    /// The sockets that the host has open.
    #[must_use]
    pub fn open_sockets(&self, host: HostId) -> usize {
        self.hosts[host.index()].open
    }

    /// The virtual time.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// How often each thing happened that the configuration makes possible.
    #[must_use]
    pub const fn hits(&self) -> Hits {
        self.hits
    }

    /// The hash of everything that has happened.
    #[must_use]
    pub const fn trace_hash(&self) -> u64 {
        self.trace.hash()
    }

    /// When something arrives next.
    pub fn next_arrival(&mut self) -> Option<Timestamp> {
        self.send_owed();
        self.arrivals.next_time()
    }

    /// Moves time to `until` and lets arrive what is due by then, in order.
    pub fn advance(&mut self, until: Timestamp) {
        loop {
            while let Some(arrival) = self.arrivals.take_due(self.now) {
                let (kind, numbers, bytes) = arrival.words();
                self.trace.note(self.now, kind, numbers, bytes);
                if self.calm {
                    self.arrive(arrival);
                } else {
                    self.come_to_host(arrival);
                }
            }
            give_back(&mut self.changed);
            if until <= self.now {
                return;
            }
            self.now = self.next_arrival().map_or(until, |next| next.min(until));
        }
    }

    /// The host that was given this address.
    pub(crate) fn owner(&self, address: IpAddr) -> Option<HostId> {
        self.hosts_by_address.get(&address).copied()
    }

    /// The host that has this address, seen from `from`.
    pub(crate) fn host_of(&self, from: HostId, address: IpAddr) -> Option<HostId> {
        if address.is_loopback() || address.is_unspecified() {
            return Some(from);
        }
        self.owner(address)
    }

    pub(crate) fn socket(&self, descriptor: Descriptor) -> Option<&Socket> {
        self.sockets.get(descriptor.0)
    }

    pub(crate) fn socket_mut(&mut self, descriptor: Descriptor) -> Option<&mut Socket> {
        self.sockets.get_mut(descriptor.0)
    }

    pub(crate) fn names(&mut self, host: HostId) -> &mut Names {
        &mut self.hosts[host.index()].names
    }

    /// From now on, changes of the socket are reported under this name.
    pub(crate) fn watch(&mut self, descriptor: Descriptor, machine: u32, name: SocketId) {
        if let Some(socket) = self.socket_mut(descriptor) {
            socket.holder = Holder::Machine(machine, name);
        }
    }

    /// A socket for which a call may now do something that it could not do before.
    #[inline]
    pub(crate) fn next_changed(&mut self) -> Option<(Descriptor, Owner)> {
        while let Some(descriptor) = self.changed.pop_front() {
            if let Some(socket) = self.socket_mut(descriptor) {
                socket.changed = false;
                if let Some(owner) = socket.owner() {
                    return Some((descriptor, owner));
                }
            }
        }
        None
    }

    /// A call on the socket may now do something that it could not do before.
    pub(crate) fn changes(&mut self, descriptor: Descriptor) {
        if let Some(socket) = self.sockets.get_mut(descriptor.0)
            && socket.owner().is_some()
            && !std::mem::replace(&mut socket.changed, true)
        {
            self.changed.push_back(descriptor);
        }
    }

    /// The names of the socket's connection rest in TIME_WAIT; it is closed, and holds its own one only if it is to keep it.
    pub(crate) fn rest_names(&mut self, descriptor: Descriptor) {
        let since = self.now;
        let Some(socket) = self.socket_mut(descriptor) else { return };
        let (Some(remote), Some((own, hold))) = (socket.remote, socket.hold) else { return };
        debug_assert_eq!(socket.local, Some(own), "a connection has the name that its socket holds");
        socket.state = State::Closed;
        let (host, keeps) = (socket.host, socket.keeps_port);
        if !keeps {
            socket.hold = None;
        }
        self.hits.time_waits += 1;
        let rest = Rest { since, hold };
        self.names(host).rest(own, remote, rest, keeps);
        self.resting.push_back((since + self.config.time_wait, Resting::Names { host, own, remote, rest }));
    }

    /// The closed socket waits for its peer's FIN, but not for ever.
    pub(crate) fn rest_socket(&mut self, descriptor: Descriptor) {
        self.resting.push_back((self.now + self.config.time_wait, Resting::Socket(descriptor)));
    }

    /// Frees the names whose rest is over. Only those who look for a name notice, so it is done when one does.
    pub(crate) fn end_rests(&mut self) {
        while let Some((until, resting)) = self.resting.front().copied()
            && until <= self.now
        {
            self.resting.pop_front();
            match resting {
                Resting::Names { host, own, remote, rest } => self.names(host).end_rest(own, remote, rest),
                Resting::Socket(descriptor) => self.abandon(descriptor),
            }
        }
    }
}

impl HostId {
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

impl Descriptor {
    /// Of no socket.
    pub(crate) fn none() -> Self {
        Self(DefaultKey::null())
    }

    pub(crate) fn number(self) -> u64 {
        self.0.data().as_ffi()
    }
}
