//! Hosts, sockets and what travels between them, in virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use sansock::{FaultKind, Timestamp};

use crate::chance::Chance;
use crate::config::{Hits, NetworkConfig};
use crate::socket::{Socket, State, Stream};
use crate::trace::Trace;

/// A host of a network.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HostId(pub(crate) usize);

/// A simulated socket: what a descriptor is to a process. None is used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Descriptor(pub(crate) u64);

/// A simulated network: hosts, their kernels' sockets, and virtual time.
///
/// Socket calls never block and happen at the present virtual time; what they cause travels and arrives when
/// [`advance`](Network::advance) moves time on. Everything is determined by the configuration, the seed and the calls.
#[derive(Clone, Debug)]
pub struct Network {
    pub(crate) now: Timestamp,
    pub(crate) config: NetworkConfig,
    pub(crate) chance: Chance,
    pub(crate) hits: Hits,
    pub(crate) trace: Trace,
    pub(crate) hosts: Vec<Host>,
    pub(crate) sockets: BTreeMap<Descriptor, Socket>,
    /// Sockets for which something has changed.
    pub(crate) touched: BTreeSet<Descriptor>,
    arrivals: BTreeMap<(Timestamp, u64), (Descriptor, Segment)>,
    sequence: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) descriptor_limit: usize,
    pub(crate) open: usize,
    pub(crate) next_port: u16,
}

/// What travels to a socket.
#[derive(Clone, Debug)]
pub(crate) enum Segment {
    /// Arrives at the client's own socket: the network looks up who listens there.
    Syn {
        to: SocketAddr,
        attempt: u32,
    },
    /// The connection is established.
    Accepted {
        peer: Descriptor,
    },
    Refused,
    /// No answer to a SYN in time.
    SynTimeout {
        attempt: u32,
    },
    Data(Bytes),
    Fin,
    Reset,
    /// The peer has read so much.
    Window(usize),
}

impl Network {
    /// A network without hosts.
    #[must_use]
    pub fn new(config: NetworkConfig, seed: u64) -> Self {
        Self {
            now: Timestamp::ZERO,
            config,
            chance: Chance::new(seed),
            hits: Hits::default(),
            trace: Trace::new(),
            hosts: Vec::new(),
            sockets: BTreeMap::new(),
            touched: BTreeSet::new(),
            arrivals: BTreeMap::new(),
            sequence: 0,
        }
    }

    /// Adds a host with these addresses, beside its loopback addresses.
    pub fn add_host(&mut self, addresses: impl IntoIterator<Item = IpAddr>) -> HostId {
        let addresses = addresses.into_iter().collect();
        self.hosts.push(Host { addresses, descriptor_limit: usize::MAX, open: 0, next_port: 32768 });
        HostId(self.hosts.len() - 1)
    }

    /// Limits the sockets that the host may have open. Those above the limit stay open. Default: no limit.
    pub fn limit_descriptors(&mut self, host: HostId, limit: usize) {
        self.hosts[host.0].descriptor_limit = limit;
    }

    /// The sockets that the host has open.
    #[must_use]
    pub fn open_sockets(&self, host: HostId) -> usize {
        self.hosts[host.0].open
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
    #[must_use]
    pub fn next_arrival(&self) -> Option<Timestamp> {
        self.arrivals.keys().next().map(|(at, _)| *at)
    }

    /// Moves time to `until` and lets arrive what is due by then, in order.
    pub fn advance(&mut self, until: Timestamp) {
        while let Some(entry) = self.arrivals.first_entry() {
            let (at, _) = *entry.key();
            if at > until {
                break;
            }
            let (descriptor, segment) = entry.remove();
            self.now = self.now.max(at);
            self.arrive(descriptor, segment);
        }
        self.now = self.now.max(until);
    }

    /// Sockets for which a call may now do something that it could not do before.
    pub(crate) fn take_touched(&mut self) -> BTreeSet<Descriptor> {
        std::mem::take(&mut self.touched)
    }

    pub(crate) fn schedule(&mut self, at: Timestamp, to: Descriptor, segment: Segment) {
        self.arrivals.insert((at, self.sequence), (to, segment));
        self.sequence += 1;
    }

    /// Sends a segment from one end of a connection to the other, behind all that went before.
    pub(crate) fn transmit(&mut self, from: Descriptor, segment: Segment) {
        let at = self.now + self.travel();
        let Some(Socket { state: State::Connected(stream), .. }) = self.sockets.get_mut(&from) else { return };
        let at = at.max(stream.last_arrival);
        stream.last_arrival = at;
        let peer = stream.peer;
        if matches!(segment, Segment::Reset) {
            self.hits.resets += 1;
        }
        self.schedule(at, peer, segment);
    }

    pub(crate) fn travel(&mut self) -> Duration {
        let jitter = self.chance.span(self.config.jitter);
        self.hits.jitter += u64::from(!jitter.is_zero());
        self.config.latency + jitter
    }

    /// Puts what is queued into segments, as far as the peer has room, and then the FIN.
    pub(crate) fn flush(&mut self, descriptor: Descriptor) {
        loop {
            let segment = self.config.segment.max(1);
            let Some(Socket { state: State::Connected(stream), .. }) = self.sockets.get_mut(&descriptor) else { return };
            let size = stream.outgoing.len().min(stream.window).min(segment);
            if size > 0 {
                stream.window -= size;
                let data = stream.outgoing.pop(size);
                self.touched.insert(descriptor);
                self.transmit(descriptor, Segment::Data(data));
            } else {
                let finish = stream.shut && stream.outgoing.is_empty() && !stream.fin_sent && !stream.reset;
                if finish {
                    stream.fin_sent = true;
                    self.transmit(descriptor, Segment::Fin);
                }
                self.bury(descriptor);
                return;
            }
        }
    }

    /// Forgets a socket that its application has closed, once everything was sent.
    pub(crate) fn bury(&mut self, descriptor: Descriptor) {
        if let Some(socket) = self.sockets.get(&descriptor)
            && socket.orphan
        {
            let over = match &socket.state {
                State::Connected(stream) => stream.fin_sent || stream.reset,
                _ => true,
            };
            if over {
                self.sockets.remove(&descriptor);
            }
        }
    }

    fn arrive(&mut self, descriptor: Descriptor, segment: Segment) {
        self.note_arrival(descriptor, &segment);
        self.touched.insert(descriptor);
        match segment {
            Segment::Syn { to, attempt } => self.on_syn(descriptor, to, attempt),
            Segment::SynTimeout { attempt } => self.on_syn_timeout(descriptor, attempt),
            Segment::Accepted { peer } => self.on_accepted(descriptor, peer),
            Segment::Refused => self.fail_connect(descriptor, FaultKind::ConnectionRefused),
            Segment::Data(data) => self.on_data(descriptor, data),
            Segment::Fin => {
                if let Some(stream) = self.stream(descriptor) {
                    stream.fin_received = true;
                }
            }
            Segment::Reset => self.on_reset(descriptor),
            Segment::Window(room) => {
                if let Some(stream) = self.stream(descriptor) {
                    stream.window += room;
                    self.flush(descriptor);
                }
            }
        }
    }

    /// A SYN of this client has come to whoever listens there.
    fn on_syn(&mut self, client: Descriptor, to: SocketAddr, attempt: u32) {
        let Some(socket) = self.sockets.get(&client) else { return };
        let (State::Connecting { attempt: current, .. }, Some(from), host) = (&socket.state, socket.local, socket.host) else {
            return;
        };
        if *current != attempt {
            return;
        }
        let Some(listener) = self.find_listener(host, to) else {
            let at = self.now + self.travel();
            return self.schedule(at, client, Segment::Refused);
        };
        let Some(Socket { host: there, state: State::Listening { backlog, queue }, .. }) = self.sockets.get_mut(&listener) else {
            return;
        };
        if queue.len() > *backlog {
            // Linux drops it; the client tries again.
            self.hits.dropped_syns += 1;
            return;
        }
        let there = *there;
        let server = self.next_descriptor();
        if let Some(Socket { state: State::Listening { queue, .. }, .. }) = self.sockets.get_mut(&listener) {
            queue.push_back(server);
        }
        let stream = Stream::new(from, client, self.config.receive_buffer);
        self.sockets
            .insert(server, Socket { host: there, local: Some(to), state: State::Connected(Box::new(stream)), orphan: false });
        self.touched.insert(listener);
        self.transmit(server, Segment::Accepted { peer: server });
    }

    fn on_syn_timeout(&mut self, client: Descriptor, attempt: u32) {
        let retries = self.config.syn_retries;
        let Some(Socket { state: State::Connecting { remote, attempt: current }, .. }) = self.sockets.get_mut(&client) else {
            return;
        };
        if *current != attempt {
            return;
        }
        if attempt >= retries {
            return self.fail_connect(client, FaultKind::TimedOut);
        }
        *current += 1;
        let remote = *remote;
        self.send_syn(client, remote, attempt + 1);
    }

    pub(crate) fn send_syn(&mut self, client: Descriptor, to: SocketAddr, attempt: u32) {
        let arrival = self.now + self.travel();
        self.schedule(arrival, client, Segment::Syn { to, attempt });
        let patience = Duration::from_secs(1_u64.checked_shl(attempt).unwrap_or(u64::MAX));
        self.schedule(self.now + patience, client, Segment::SynTimeout { attempt });
    }

    fn on_accepted(&mut self, client: Descriptor, peer: Descriptor) {
        let window = self.config.receive_buffer;
        match self.sockets.get_mut(&client) {
            Some(socket) => {
                if let State::Connecting { remote, .. } = socket.state {
                    socket.state = State::Connected(Box::new(Stream::new(remote, peer, window)));
                }
            }
            // The client has gone: the other end learns of it.
            None => self.reset_peer(peer),
        }
    }

    fn fail_connect(&mut self, client: Descriptor, error: FaultKind) {
        if let Some(socket) = self.sockets.get_mut(&client)
            && matches!(socket.state, State::Connecting { .. })
        {
            socket.state = State::Refused { error: Some(error) };
        }
    }

    fn on_data(&mut self, descriptor: Descriptor, data: Bytes) {
        match self.sockets.get_mut(&descriptor) {
            Some(Socket { orphan: false, state: State::Connected(stream), .. }) if !stream.reset => stream.incoming.push(data),
            // Nobody will read it: whoever sent it is told so.
            Some(Socket { state: State::Connected(stream), .. }) => {
                if !stream.reset {
                    stream.reset = true;
                    stream.outgoing.clear();
                    self.transmit(descriptor, Segment::Reset);
                }
                self.bury(descriptor);
            }
            _ => self.reset_by_name(descriptor),
        }
    }

    /// Data came for a socket that is gone: whoever has it as a peer sees a reset.
    fn reset_by_name(&mut self, gone: Descriptor) {
        let peer = self.sockets.iter().find_map(|(descriptor, socket)| match &socket.state {
            State::Connected(stream) if stream.peer == gone => Some(*descriptor),
            _ => None,
        });
        if let Some(peer) = peer {
            self.reset_peer(peer);
        }
    }

    pub(crate) fn reset_peer(&mut self, peer: Descriptor) {
        let at = self.now + self.travel();
        self.hits.resets += 1;
        self.schedule(at, peer, Segment::Reset);
    }

    fn on_reset(&mut self, descriptor: Descriptor) {
        if let Some(stream) = self.stream(descriptor)
            && !stream.reset
        {
            stream.reset = true;
            // Linux: after the peer's FIN a reset means that what was sent then came too late.
            stream.error = Some(if stream.fin_received { FaultKind::BrokenPipe } else { FaultKind::ConnectionReset });
            stream.outgoing.clear();
        }
        self.bury(descriptor);
    }

    fn stream(&mut self, descriptor: Descriptor) -> Option<&mut Stream> {
        match &mut self.sockets.get_mut(&descriptor)?.state {
            State::Connected(stream) => Some(stream),
            _ => None,
        }
    }

    fn find_listener(&self, from: HostId, to: SocketAddr) -> Option<Descriptor> {
        let host = self.host_of(from, to.ip())?;
        self.sockets
            .iter()
            .filter(|(_, socket)| socket.host == host && matches!(socket.state, State::Listening { .. }))
            .find(|(_, socket)| {
                socket.local.is_some_and(|local| {
                    local.port() == to.port()
                        && local.is_ipv4() == to.is_ipv4()
                        && (local.ip() == to.ip() || local.ip().is_unspecified())
                })
            })
            .map(|(descriptor, _)| *descriptor)
    }

    /// The host that has this address, seen from `from`.
    pub(crate) fn host_of(&self, from: HostId, address: IpAddr) -> Option<HostId> {
        if address.is_loopback() || address.is_unspecified() {
            return Some(from);
        }
        self.hosts.iter().position(|host| host.addresses.contains(&address)).map(HostId)
    }

    pub(crate) fn next_descriptor(&mut self) -> Descriptor {
        self.sequence += 1;
        Descriptor(self.sequence)
    }

    fn note_arrival(&mut self, to: Descriptor, segment: &Segment) {
        let (what, number, bytes): (u8, u64, &[u8]) = match segment {
            Segment::Syn { attempt, .. } => (0, u64::from(*attempt), &[]),
            Segment::Accepted { peer } => (1, peer.0, &[]),
            Segment::Refused => (2, 0, &[]),
            Segment::SynTimeout { attempt } => (3, u64::from(*attempt), &[]),
            Segment::Data(data) => (4, data.len() as u64, data),
            Segment::Fin => (5, 0, &[]),
            Segment::Reset => (6, 0, &[]),
            Segment::Window(room) => (7, *room as u64, &[]),
        };
        self.trace.note(self.now, what, &[to.0, number], bytes);
    }
}
