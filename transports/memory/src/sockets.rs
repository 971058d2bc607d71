//! Operations of machines as socket calls.

use std::collections::VecDeque;
use std::net::{Shutdown, SocketAddr};

use bytes::Bytes;
use rustc_hash::FxHashMap;
use sansock::{
    AcceptOp, Address, Completion, ConnectOp, Connected, CreateOp, Fault, FaultKind, Op, OpId, OpKind, Outcome, RecvOp,
    RefusedOptions, SendOp, SocketId, SocketOptions,
};

use crate::agenda::ROOM_KEPT;
use crate::calls::{CallError, Received};
use crate::descriptors::Descriptors;
use crate::network::{Descriptor, HostId, Network};
use crate::socket::{Family, Receive};

/// The sockets of one machine: simulated ones under the names that the core gives them, and the operations that wait for them.
///
/// A slot has one socket at a time, as machines use them. A receive that waits is kept with its socket, since most sockets have one; what
/// waits rarely has tables here.
#[derive(Debug)]
pub struct Sockets {
    host: HostId,
    machine: u32,
    descriptors: Descriptors,
    sends: FxHashMap<SocketId, SendOp>,
    connects: FxHashMap<SocketId, ConnectOp>,
    accepts: FxHashMap<SocketId, VecDeque<AcceptOp>>,
    /// Receives and sends that may move fewer bytes than they ask for.
    limits: FxHashMap<OpId, usize>,
    /// Operations that are not to start yet.
    parked: Vec<Op>,
}

impl Sockets {
    /// No sockets yet, on this host.
    #[must_use]
    pub fn new(host: HostId) -> Self {
        Self::of_machine(host, 0)
    }

    /// The sockets of the machine with this number: changes are reported to it.
    pub(crate) fn of_machine(host: HostId, machine: u32) -> Self {
        Self {
            host,
            machine,
            descriptors: Descriptors::default(),
            sends: FxHashMap::default(),
            connects: FxHashMap::default(),
            accepts: FxHashMap::default(),
            limits: FxHashMap::default(),
            parked: Vec::new(),
        }
    }

    /// Starts an operation. `Some` is its completion; `None` means that it waits. A cancel gives the completion of its target, if that
    /// waits here.
    pub fn submit(&mut self, network: &mut Network, op: Op) -> Option<Completion> {
        match op {
            Op::Recv(op) => self.recv(network, op),
            Op::Send(op) => self.send(network, op),
            Op::Accept(op) => self.accept(network, op),
            Op::Connect(op) => self.connect(network, op),
            Op::Cancel(op) => self.cancel(network, op.target()),
            Op::Startup(op) => Some(op.done()),
            Op::Cleanup(op) => Some(op.done()),
            Op::Create(op) => Some(self.create(network, op)),
            Op::Bind(op) => {
                let bound = self.descriptor(network, op.socket()).and_then(|socket| network.bind(socket, ip(op.address())?));
                Some(match bound {
                    Ok(local) => op.bound(Some(local.into())),
                    Err(kind) => op.failed(kind.into()),
                })
            }
            Op::Listen(op) => {
                let listening = self.descriptor(network, op.socket()).and_then(|socket| network.listen(socket, op.backlog()));
                Some(match listening {
                    Ok(local) => op.listening(Some(local.into())),
                    Err(kind) => op.failed(kind.into()),
                })
            }
            Op::Shutdown(op) => {
                let shut = self.descriptor(network, op.socket()).and_then(|socket| network.shutdown(socket, Shutdown::Write));
                Some(match shut {
                    Ok(()) => op.done(),
                    Err(kind) => op.failed(kind.into()),
                })
            }
            Op::Close(op) => {
                if let Ok(descriptor) = self.descriptor(network, op.socket()) {
                    self.descriptors.remove(op.socket().slot());
                    network.close(descriptor, op.abortive());
                }
                Some(op.done())
            }
        }
    }

    /// The same, of a receive or send that moves at most so many bytes; of any other operation, as ever.
    pub(crate) fn submit_short(&mut self, network: &mut Network, op: Op, most: usize) -> Option<Completion> {
        let id = op.id();
        self.limits.insert(id, most.max(1));
        let done = self.submit(network, op);
        if done.is_some() {
            self.limits.remove(&id);
        }
        done
    }

    /// Keeps an operation from starting.
    pub(crate) fn park(&mut self, op: Op) {
        self.parked.push(op);
    }

    /// Starts an operation that was kept from starting, unless it was cancelled.
    pub(crate) fn unpark(&mut self, network: &mut Network, id: OpId) -> Option<Completion> {
        let place = self.parked.iter().position(|op| op.id() == id)?;
        let op = self.parked.swap_remove(place);
        self.submit(network, op)
    }

    /// Somebody on the way resets the connection: both ends are told.
    pub(crate) fn reset(&mut self, network: &mut Network, name: SocketId) {
        if let Ok(descriptor) = self.descriptor(network, name) {
            network.reset_on_the_way(descriptor);
        }
    }

    /// Something has changed for this socket: tries again what waits for it.
    pub fn retry(&mut self, network: &mut Network, descriptor: Descriptor, done: impl FnMut(Completion)) {
        if let Some(owner) = network.socket(descriptor).and_then(|socket| socket.owner()) {
            self.retry_named(network, descriptor, owner.name, done);
        }
    }

    pub(crate) fn retry_named(
        &mut self,
        network: &mut Network,
        descriptor: Descriptor,
        name: SocketId,
        mut done: impl FnMut(Completion),
    ) {
        // It may be somebody else's.
        if self.descriptors.get(name.slot()) != Some(descriptor) {
            return;
        }
        if let Some(receive) = network.socket_mut(descriptor).and_then(|socket| socket.receive.take())
            && let Some(received) = self.receive(network, descriptor, name, receive)
        {
            done(received);
        }
        if !self.accepts.is_empty() {
            for op in self.accepts.remove(&name).unwrap_or_default() {
                self.accept(network, op).into_iter().for_each(&mut done);
            }
        }
        if !self.connects.is_empty()
            && let Some(op) = self.connects.remove(&name)
        {
            if self.connects.is_empty() {
                self.connects.shrink_to(ROOM_KEPT);
            }
            self.connect(network, op).into_iter().for_each(&mut done);
        }
        if !self.sends.is_empty()
            && let Some(op) = self.sends.remove(&name)
        {
            self.send(network, op).into_iter().for_each(&mut done);
        }
    }

    /// The machine is dropped: closes every socket at once, in the order of their names.
    pub fn close_all(&mut self, network: &mut Network) {
        for descriptor in std::mem::take(&mut self.descriptors).into_all() {
            network.close(descriptor, false);
        }
        self.sends.clear();
        self.connects.clear();
        self.accepts.clear();
        self.limits.clear();
        self.parked.clear();
    }

    fn create(&mut self, network: &mut Network, op: CreateOp) -> Completion {
        let Ok(address) = ip(op.address()) else { return op.failed(FaultKind::Unsupported.into()) };
        match network.create(self.host, Family::of(address.ip())) {
            Ok(descriptor) => {
                set_options(network, descriptor, op.options());
                self.insert(network, op.socket(), descriptor);
                op.created(RefusedOptions::NONE)
            }
            Err(kind) => op.failed(kind.into()),
        }
    }

    fn accept(&mut self, network: &mut Network, op: AcceptOp) -> Option<Completion> {
        let accepted =
            self.descriptor(network, op.listener()).map_err(CallError::from).and_then(|listener| network.accept(listener));
        match accepted {
            Ok((descriptor, peer)) => {
                set_options(network, descriptor, op.options());
                self.insert(network, op.slot(), descriptor);
                let (local, _) = network.addresses(descriptor);
                let connected =
                    Connected { peer: Some(peer.into()), local: local.map(Address::from), refused: RefusedOptions::NONE };
                Some(op.accepted(connected))
            }
            Err(CallError::WouldBlock) if op.wait() => {
                self.accepts.entry(op.listener()).or_default().push_back(op);
                None
            }
            Err(CallError::WouldBlock) => Some(op.none()),
            Err(error) => Some(op.failed(fault(error))),
        }
    }

    fn connect(&mut self, network: &mut Network, op: ConnectOp) -> Option<Completion> {
        let result = self
            .descriptor(network, op.socket())
            .and_then(|descriptor| Ok((descriptor, ip(op.address())?)))
            .map_err(CallError::from)
            .and_then(|(descriptor, to)| network.connect(descriptor, to).map(|()| descriptor));
        match result {
            Ok(descriptor) => {
                let (local, peer) = network.addresses(descriptor);
                let connected =
                    Connected { peer: peer.map(Address::from), local: local.map(Address::from), refused: RefusedOptions::NONE };
                Some(op.connected(connected))
            }
            Err(CallError::WouldBlock) => {
                self.connects.insert(op.socket(), op);
                None
            }
            Err(error) => Some(op.failed(fault(error))),
        }
    }

    fn recv(&mut self, network: &mut Network, op: RecvOp) -> Option<Completion> {
        match self.descriptor(network, op.socket()) {
            Ok(descriptor) => self.receive(network, descriptor, op.socket(), Receive::new(op.id().stamp(), op.max())),
            Err(kind) => Some(op.failed(kind.into())),
        }
    }

    fn receive(&mut self, network: &mut Network, descriptor: Descriptor, name: SocketId, receive: Receive) -> Option<Completion> {
        let id = OpId::new(name, OpKind::Recv, receive.stamp);
        let most = limit(&self.limits, id).map_or(receive.most(), |most| most.min(receive.most()));
        let outcome = match network.recv(descriptor, most) {
            Ok(Received::Data(data)) => Outcome::Data(data),
            Ok(Received::Eof) => Outcome::Eof,
            Err(CallError::WouldBlock) => {
                network.socket_mut(descriptor)?.receive = Some(receive);
                return None;
            }
            Err(error) => Outcome::Failed(fault(error)),
        };
        forget_limit(&mut self.limits, id);
        Some(Completion::from_raw(id, outcome))
    }

    fn send(&mut self, network: &mut Network, op: SendOp) -> Option<Completion> {
        let sent = self.descriptor(network, op.socket()).map_err(CallError::from);
        let most = limit(&self.limits, op.id()).unwrap_or(usize::MAX);
        let sent = sent.and_then(|descriptor| gather(network, descriptor, op.chunks(), most));
        if sent == Err(CallError::WouldBlock) {
            self.sends.insert(op.socket(), op);
            return None;
        }
        forget_limit(&mut self.limits, op.id());
        Some(match sent {
            Ok(count) => op.sent(count),
            Err(error) => op.failed(fault(error)),
        })
    }

    fn cancel(&mut self, network: &mut Network, target: OpId) -> Option<Completion> {
        let cancelled = Fault::from(FaultKind::Cancelled);
        let name = target.socket();
        forget_limit(&mut self.limits, target);
        if let Some(place) = self.parked.iter().position(|op| op.id() == target) {
            return Some(fail(self.parked.swap_remove(place), FaultKind::Cancelled));
        }
        match target.kind() {
            OpKind::Accept => self.accepts.values_mut().find_map(|waiting| {
                let place = waiting.iter().position(|op| op.id() == target)?;
                waiting.remove(place).map(|op| op.failed(cancelled))
            }),
            OpKind::Recv => {
                let descriptor = self.descriptor(network, name).ok()?;
                let waiting = &mut network.socket_mut(descriptor)?.receive;
                waiting.take_if(|receive| receive.stamp == target.stamp())?;
                Some(Completion::from_raw(target, Outcome::Failed(cancelled)))
            }
            OpKind::Send if self.sends.get(&name)?.id() == target => self.sends.remove(&name).map(|op| op.failed(cancelled)),
            OpKind::Connect if self.connects.get(&name)?.id() == target => {
                self.connects.remove(&name).map(|op| op.failed(cancelled))
            }
            _ => None,
        }
    }

    fn insert(&mut self, network: &mut Network, name: SocketId, descriptor: Descriptor) {
        network.watch(descriptor, self.machine, name);
        let is_free = self.descriptors.get(name.slot()).is_none_or(|earlier| network.socket(earlier).is_none());
        debug_assert!(is_free, "{name}: the slot has a socket already");
        self.descriptors.insert(name.slot(), descriptor);
    }

    fn descriptor(&self, network: &Network, name: SocketId) -> Result<Descriptor, FaultKind> {
        let descriptor = self.descriptors.get(name.slot()).ok_or(FaultKind::BadDescriptor)?;
        let owner = network.socket(descriptor).and_then(|socket| socket.owner());
        if owner.is_some_and(|owner| owner.name == name) { Ok(descriptor) } else { Err(FaultKind::BadDescriptor) }
    }
}

/// The options that mean something here. The others change nothing that a simulated network has, which is no refusal.
fn set_options(network: &mut Network, descriptor: Descriptor, options: &SocketOptions) {
    let bytes = |size: u32| usize::try_from(size).unwrap_or(usize::MAX);
    let (send, receive) = (options.send_buffer.value().map(bytes), options.receive_buffer.value().map(bytes));
    // Neither can fail: the socket is open.
    let _ = network.buffers(descriptor, send, receive);
    if let Some(idle) = options.keep_alive.value() {
        let _ = network.keep_alive(descriptor, Some(idle));
    }
    if let Some(on) = options.reuse_address.value() {
        let _ = network.reuse_address(descriptor, on);
    }
}

fn limit(limits: &FxHashMap<OpId, usize>, id: OpId) -> Option<usize> {
    if limits.is_empty() { None } else { limits.get(&id).copied() }
}

fn forget_limit(limits: &mut FxHashMap<OpId, usize>, id: OpId) {
    if !limits.is_empty() {
        limits.remove(&id);
    }
}

/// A vectored send of at most so many bytes: one call a chunk, until one is short.
fn gather(network: &mut Network, descriptor: Descriptor, chunks: &[Bytes], most: usize) -> Result<usize, CallError> {
    let mut total = 0;
    for chunk in chunks {
        let allowed = chunk.len().min(most - total);
        if allowed == 0 {
            break;
        }
        let sent = if allowed < chunk.len() {
            network.send(descriptor, &chunk.slice(..allowed))
        } else {
            network.send(descriptor, chunk)
        };
        match sent {
            Ok(count) => {
                total += count;
                if count < chunk.len() {
                    break;
                }
            }
            Err(error) if total == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(total)
}

/// The operation fails like this.
pub(crate) fn fail(op: Op, kind: FaultKind) -> Completion {
    Completion::from_raw(op.id(), Outcome::Failed(kind.into()))
}

fn fault(error: CallError) -> Fault {
    match error {
        CallError::Fault(kind) => kind.into(),
        // No machine connects a socket twice.
        CallError::WouldBlock | CallError::AlreadyConnected => FaultKind::Other.into(),
    }
}

fn ip(address: Address) -> Result<SocketAddr, FaultKind> {
    match address {
        Address::Ip(address) => Ok(address),
        _ => Err(FaultKind::Unsupported),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: SocketId = name(3, 7);

    const fn name(slot: u32, generation: u32) -> SocketId {
        SocketId::new(slot, generation).unwrap()
    }

    /// A machine's end of a connection, under the name [`SERVER`], to which five bytes have come; and the other end.
    fn received() -> (Network, Sockets, Descriptor, Descriptor) {
        let mut network = Network::new(crate::NetworkConfig::default(), 1);
        let host = network.add_host([]);
        let address = SocketAddr::from(([127, 0, 0, 1], 7));
        let [listener, client] = [(); 2].map(|()| network.create(host, Family::V4).unwrap());
        network.bind(listener, address).unwrap();
        network.listen(listener, 1).unwrap();
        assert_eq!(network.connect(client, address), Err(CallError::WouldBlock));
        network.advance(sansock::Timestamp::from_secs(1));
        network.connect(client, address).unwrap();
        let (server, _) = network.accept(listener).unwrap();
        let mut sockets = Sockets::new(host);
        sockets.insert(&mut network, SERVER, server);
        network.send(client, &Bytes::from_static(b"fives")).unwrap();
        network.advance(sansock::Timestamp::from_secs(2));
        (network, sockets, server, client)
    }

    #[test]
    fn a_limit_above_the_size_of_a_receive_lets_no_more_in() {
        let (mut network, mut sockets, server, _) = received();
        sockets.limits.insert(OpId::new(SERVER, OpKind::Recv, 1), 4);
        let done = sockets.receive(&mut network, server, SERVER, Receive::new(1, 2)).unwrap();
        assert_eq!(*done.outcome(), Outcome::Data(Bytes::from_static(b"fi")));
        let done = sockets.receive(&mut network, server, SERVER, Receive::new(2, usize::MAX)).unwrap();
        assert_eq!(*done.outcome(), Outcome::Data(Bytes::from_static(b"ves")));
    }

    #[test]
    fn a_name_of_an_earlier_socket_of_the_slot_is_none() {
        let (network, sockets, server, _) = received();
        assert_eq!(sockets.descriptor(&network, SERVER), Ok(server));
        for stale in [name(3, 6), name(3, 8), name(4, 7)] {
            assert_eq!(sockets.descriptor(&network, stale), Err(FaultKind::BadDescriptor), "{stale}");
        }
    }

    #[test]
    fn what_waits_is_tried_again_by_those_whose_it_is_and_cancelled_under_its_own_name() {
        let (mut network, mut sockets, server, client) = received();
        network.recv(server, 5).unwrap();
        assert_eq!(sockets.receive(&mut network, server, SERVER, Receive::new(1, 9)), None);
        assert_eq!(sockets.cancel(&mut network, OpId::new(SERVER, OpKind::Recv, 2)), None, "it is another");
        network.send(client, &Bytes::from_static(b"six")).unwrap();
        network.advance(sansock::Timestamp::from_secs(3));
        let mut others = Sockets::new(HostId(0));
        others.retry(&mut network, server, |done| panic!("{done:?} of somebody else"));
        let mut all = Vec::new();
        sockets.retry(&mut network, server, |done| all.push(done));
        let id = OpId::new(SERVER, OpKind::Recv, 1);
        assert_eq!(all, [Completion::from_raw(id, Outcome::Data(Bytes::from_static(b"six")))]);
        assert_eq!(sockets.receive(&mut network, server, SERVER, Receive::new(1, 9)), None);
        let cancelled = Outcome::Failed(FaultKind::Cancelled.into());
        assert_eq!(sockets.cancel(&mut network, id), Some(Completion::from_raw(id, cancelled)));
    }

    #[test]
    fn all_are_closed_at_once() {
        let (mut network, mut sockets, server, client) = received();
        network.recv(server, 5).unwrap();
        let before = network.open_sockets(HostId(0));
        sockets.close_all(&mut network);
        assert_eq!(network.open_sockets(HostId(0)), before - 1);
        assert_eq!(sockets.descriptor(&network, SERVER), Err(FaultKind::BadDescriptor));
        network.advance(sansock::Timestamp::from_secs(3));
        assert_eq!(network.recv(client, 1), Ok(Received::Eof));
    }
}
