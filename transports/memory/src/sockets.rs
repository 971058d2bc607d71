//! Operations of machines as socket calls.

use std::collections::VecDeque;
use std::net::{Shutdown, SocketAddr};

use bytes::Bytes;
use rustc_hash::FxHashMap;
use sansock::{
    AcceptOp, Address, Completion, ConnectOp, Connected, CreateOp, Fault, FaultKind, Op, OpId, OpKind, RecvOp, RefusedOptions,
    SendOp, SocketId, SocketOptions,
};

use crate::calls::{CallError, Received};
use crate::network::{Descriptor, HostId, Network};
use crate::socket::Family;

/// The sockets of one machine: simulated ones under the names that the core gives them, and the operations that wait for them.
///
/// A socket that only receives takes little memory here; what waits rarely has tables of its own.
#[derive(Debug)]
pub struct Sockets {
    host: HostId,
    machine: u32,
    entries: FxHashMap<SocketId, Entry>,
    sends: FxHashMap<SocketId, SendOp>,
    connects: FxHashMap<SocketId, ConnectOp>,
    accepts: FxHashMap<SocketId, VecDeque<AcceptOp>>,
}

#[derive(Debug)]
struct Entry {
    descriptor: Descriptor,
    recv: Option<RecvOp>,
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
            entries: FxHashMap::default(),
            sends: FxHashMap::default(),
            connects: FxHashMap::default(),
            accepts: FxHashMap::default(),
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
            Op::Cancel(op) => self.cancel(op.target()),
            Op::Startup(op) => Some(op.done()),
            Op::Cleanup(op) => Some(op.done()),
            Op::Create(op) => Some(self.create(network, op)),
            Op::Bind(op) => {
                let bound = self.descriptor(op.socket()).and_then(|socket| network.bind(socket, ip(op.address())?));
                Some(match bound {
                    Ok(local) => op.bound(Some(local.into())),
                    Err(kind) => op.failed(kind.into()),
                })
            }
            Op::Listen(op) => {
                let listening = self.descriptor(op.socket()).and_then(|socket| network.listen(socket, op.backlog()));
                Some(match listening {
                    Ok(local) => op.listening(Some(local.into())),
                    Err(kind) => op.failed(kind.into()),
                })
            }
            Op::Shutdown(op) => {
                let shut = self.descriptor(op.socket()).and_then(|socket| network.shutdown(socket, Shutdown::Write));
                Some(match shut {
                    Ok(()) => op.done(),
                    Err(kind) => op.failed(kind.into()),
                })
            }
            Op::Close(op) => {
                if let Some(entry) = self.entries.remove(&op.socket()) {
                    network.close(entry.descriptor, op.abortive());
                }
                Some(op.done())
            }
        }
    }

    /// Something has changed for this socket: tries again what waits for it.
    pub fn retry(&mut self, network: &mut Network, descriptor: Descriptor, done: impl FnMut(Completion)) {
        if let Some(owner) = network.socket(descriptor).and_then(|socket| socket.owner) {
            self.retry_named(network, owner.name, done);
        }
    }

    pub(crate) fn retry_named(&mut self, network: &mut Network, name: SocketId, mut done: impl FnMut(Completion)) {
        let Some(entry) = self.entries.get_mut(&name) else { return };
        if let Some(op) = entry.recv.take() {
            self.recv(network, op).into_iter().for_each(&mut done);
        }
        if !self.accepts.is_empty() {
            for op in self.accepts.remove(&name).unwrap_or_default() {
                self.accept(network, op).into_iter().for_each(&mut done);
            }
        }
        if !self.connects.is_empty()
            && let Some(op) = self.connects.remove(&name)
        {
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
        let mut entries: Vec<_> = self.entries.drain().collect();
        entries.sort_unstable_by_key(|(name, _)| *name);
        for (_, entry) in entries {
            network.close(entry.descriptor, false);
        }
        self.sends.clear();
        self.connects.clear();
        self.accepts.clear();
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
        let accepted = self.descriptor(op.listener()).map_err(CallError::from).and_then(|listener| network.accept(listener));
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
            .descriptor(op.socket())
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
        let Some(entry) = self.entries.get_mut(&op.socket()) else {
            return Some(op.failed(FaultKind::BadDescriptor.into()));
        };
        match network.recv(entry.descriptor, op.max()) {
            Ok(Received::Data(data)) => Some(op.data(data)),
            Ok(Received::Eof) => Some(op.eof()),
            Err(CallError::WouldBlock) => {
                entry.recv = Some(op);
                None
            }
            Err(error) => Some(op.failed(fault(error))),
        }
    }

    fn send(&mut self, network: &mut Network, op: SendOp) -> Option<Completion> {
        let sent = self.descriptor(op.socket()).map_err(CallError::from);
        match sent.and_then(|descriptor| gather(network, descriptor, op.chunks())) {
            Ok(count) => Some(op.sent(count)),
            Err(CallError::WouldBlock) => {
                self.sends.insert(op.socket(), op);
                None
            }
            Err(error) => Some(op.failed(fault(error))),
        }
    }

    fn cancel(&mut self, target: OpId) -> Option<Completion> {
        let cancelled = Fault::from(FaultKind::Cancelled);
        let name = target.socket();
        match target.kind() {
            OpKind::Accept => self.accepts.values_mut().find_map(|waiting| {
                let place = waiting.iter().position(|op| op.id() == target)?;
                waiting.remove(place).map(|op| op.failed(cancelled))
            }),
            OpKind::Recv => self.entries.get_mut(&name)?.recv.take_if(|op| op.id() == target).map(|op| op.failed(cancelled)),
            OpKind::Send if self.sends.get(&name)?.id() == target => self.sends.remove(&name).map(|op| op.failed(cancelled)),
            OpKind::Connect if self.connects.get(&name)?.id() == target => {
                self.connects.remove(&name).map(|op| op.failed(cancelled))
            }
            _ => None,
        }
    }

    fn insert(&mut self, network: &mut Network, name: SocketId, descriptor: Descriptor) {
        network.watch(descriptor, self.machine, name);
        self.entries.insert(name, Entry { descriptor, recv: None });
    }

    fn descriptor(&self, name: SocketId) -> Result<Descriptor, FaultKind> {
        self.entries.get(&name).map(|entry| entry.descriptor).ok_or(FaultKind::BadDescriptor)
    }
}

/// The options that mean something here. The others change nothing that a simulated network has, which is no refusal.
fn set_options(network: &mut Network, descriptor: Descriptor, options: &SocketOptions) {
    let bytes = |size: u32| usize::try_from(size).unwrap_or(usize::MAX);
    let (send, receive) = (options.send_buffer.value().map(bytes), options.receive_buffer.value().map(bytes));
    // Neither can fail: the socket is open.
    let _ = network.buffers(descriptor, send, receive);
    if let Some(on) = options.reuse_address.value() {
        let _ = network.reuse_address(descriptor, on);
    }
}

/// A vectored send: one call a chunk, until one is short.
fn gather(network: &mut Network, descriptor: Descriptor, chunks: &[Bytes]) -> Result<usize, CallError> {
    let mut total = 0;
    for chunk in chunks {
        match network.send(descriptor, chunk) {
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
