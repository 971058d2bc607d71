//! Operations of machines as socket calls.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use bytes::Bytes;
use sansock::{
    AcceptOp, Address, Completion, ConnectOp, Connected, Fault, FaultKind, Op, OpId, OpKind, RecvOp, RefusedOptions, SendOp,
    SocketId,
};

use crate::calls::{CallError, Received};
use crate::network::{Descriptor, HostId, Network};

/// The sockets of one machine: simulated ones under the names that the core gives them, and the operations that wait for them.
#[derive(Debug)]
pub struct Sockets {
    host: HostId,
    entries: BTreeMap<SocketId, Entry>,
    names: BTreeMap<Descriptor, SocketId>,
}

#[derive(Debug)]
struct Entry {
    descriptor: Descriptor,
    recv: Option<RecvOp>,
    send: Option<SendOp>,
    connect: Option<ConnectOp>,
    accepts: VecDeque<AcceptOp>,
}

impl Sockets {
    /// No sockets yet, on this host.
    #[must_use]
    pub const fn new(host: HostId) -> Self {
        Self { host, entries: BTreeMap::new(), names: BTreeMap::new() }
    }

    /// Starts an operation. `Some` is its completion; `None` means that it waits. A cancel gives the completion of its target, if that
    /// waits here.
    pub fn submit(&mut self, network: &mut Network, op: Op) -> Option<Completion> {
        match op {
            Op::Startup(op) => Some(op.done()),
            Op::Cleanup(op) => Some(op.done()),
            Op::Create(op) => Some(match network.create(self.host) {
                Ok(descriptor) => {
                    self.insert(op.socket(), descriptor);
                    op.created(RefusedOptions::NONE)
                }
                Err(kind) => op.failed(kind.into()),
            }),
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
            Op::Shutdown(op) => Some(match self.descriptor(op.socket()).and_then(|socket| network.shutdown(socket)) {
                Ok(()) => op.done(),
                Err(kind) => op.failed(kind.into()),
            }),
            Op::Close(op) => {
                if let Some(entry) = self.entries.remove(&op.socket()) {
                    self.names.remove(&entry.descriptor);
                    network.close(entry.descriptor, op.abortive());
                }
                Some(op.done())
            }
            Op::Accept(op) => self.accept(network, op),
            Op::Connect(op) => self.connect(network, op),
            Op::Recv(op) => self.recv(network, op),
            Op::Send(op) => self.send(network, op),
            Op::Cancel(op) => self.cancel(op.target()),
        }
    }

    /// Something has changed for this socket: tries again what waits for it.
    pub fn retry(&mut self, network: &mut Network, descriptor: Descriptor, mut done: impl FnMut(Completion)) {
        let Some(name) = self.names.get(&descriptor).copied() else { return };
        let Some(entry) = self.entries.get_mut(&name) else { return };
        let (connect, recv, send) = (entry.connect.take(), entry.recv.take(), entry.send.take());
        let accepts = std::mem::take(&mut entry.accepts);
        for op in accepts {
            self.accept(network, op).into_iter().for_each(&mut done);
        }
        connect.and_then(|op| self.connect(network, op)).into_iter().for_each(&mut done);
        recv.and_then(|op| self.recv(network, op)).into_iter().for_each(&mut done);
        send.and_then(|op| self.send(network, op)).into_iter().for_each(&mut done);
    }

    /// The machine is dropped: closes every socket at once.
    pub fn close_all(&mut self, network: &mut Network) {
        for (_, entry) in std::mem::take(&mut self.entries) {
            network.close(entry.descriptor, false);
        }
        self.names.clear();
    }

    fn accept(&mut self, network: &mut Network, op: AcceptOp) -> Option<Completion> {
        let accepted = self.descriptor(op.listener()).map_err(CallError::from).and_then(|listener| network.accept(listener));
        match accepted {
            Ok((descriptor, peer)) => {
                self.insert(op.slot(), descriptor);
                let (local, _) = network.addresses(descriptor);
                let connected =
                    Connected { peer: Some(peer.into()), local: local.map(Address::from), refused: RefusedOptions::NONE };
                Some(op.accepted(connected))
            }
            Err(CallError::WouldBlock) if op.wait() => {
                if let Some(entry) = self.entries.get_mut(&op.listener()) {
                    entry.accepts.push_back(op);
                }
                None
            }
            Err(CallError::WouldBlock) => Some(op.none()),
            Err(CallError::Fault(kind)) => Some(op.failed(kind.into())),
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
                let entry = self.entries.get_mut(&op.socket())?;
                entry.connect = Some(op);
                None
            }
            Err(CallError::Fault(kind)) => Some(op.failed(kind.into())),
        }
    }

    fn recv(&mut self, network: &mut Network, op: RecvOp) -> Option<Completion> {
        let received =
            self.descriptor(op.socket()).map_err(CallError::from).and_then(|descriptor| network.recv(descriptor, op.max()));
        match received {
            Ok(Received::Data(data)) => Some(op.data(data)),
            Ok(Received::Eof) => Some(op.eof()),
            Err(CallError::WouldBlock) => {
                let entry = self.entries.get_mut(&op.socket())?;
                entry.recv = Some(op);
                None
            }
            Err(CallError::Fault(kind)) => Some(op.failed(kind.into())),
        }
    }

    fn send(&mut self, network: &mut Network, op: SendOp) -> Option<Completion> {
        let descriptor = match self.descriptor(op.socket()) {
            Ok(descriptor) => descriptor,
            Err(kind) => return Some(op.failed(kind.into())),
        };
        match gather(network, descriptor, op.chunks()) {
            Ok(count) => Some(op.sent(count)),
            Err(CallError::WouldBlock) => {
                let entry = self.entries.get_mut(&op.socket())?;
                entry.send = Some(op);
                None
            }
            Err(CallError::Fault(kind)) => Some(op.failed(kind.into())),
        }
    }

    fn cancel(&mut self, target: OpId) -> Option<Completion> {
        let cancelled = Fault::from(FaultKind::Cancelled);
        if target.kind() == OpKind::Accept {
            return self.entries.values_mut().find_map(|entry| {
                let place = entry.accepts.iter().position(|op| op.id() == target)?;
                entry.accepts.remove(place).map(|op| op.failed(cancelled))
            });
        }
        let entry = self.entries.get_mut(&target.socket())?;
        match target.kind() {
            OpKind::Recv => entry.recv.take_if(|op| op.id() == target).map(|op| op.failed(cancelled)),
            OpKind::Send => entry.send.take_if(|op| op.id() == target).map(|op| op.failed(cancelled)),
            OpKind::Connect => entry.connect.take_if(|op| op.id() == target).map(|op| op.failed(cancelled)),
            _ => None,
        }
    }

    fn insert(&mut self, name: SocketId, descriptor: Descriptor) {
        self.names.insert(descriptor, name);
        self.entries.insert(name, Entry { descriptor, recv: None, send: None, connect: None, accepts: VecDeque::new() });
    }

    fn descriptor(&self, name: SocketId) -> Result<Descriptor, FaultKind> {
        self.entries.get(&name).map(|entry| entry.descriptor).ok_or(FaultKind::BadDescriptor)
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

fn ip(address: Address) -> Result<SocketAddr, FaultKind> {
    match address {
        Address::Ip(address) => Ok(address),
        _ => Err(FaultKind::Unsupported),
    }
}
