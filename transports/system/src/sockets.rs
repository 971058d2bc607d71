//! A table of sockets, and the operations that wait for them.

use std::collections::VecDeque;
use std::io;
use std::net::TcpStream;
use std::sync::Arc;

use sansock::{AcceptOp, Completion, ConnectOp, FaultKind, Op, OpId, OpKind, RecvOp, SendOp, SocketId};
use socket2::SockRef;

use crate::buffer::ReceiveBuffer;
use crate::calls::{self, Attempt};
use crate::fault::fault_of;

/// An open socket: listening, connecting or connected. The standard library's type for streams is used for all of them because every
/// reactor knows it; [`socket2::SockRef`] gives access to the rest.
pub type Handle = Arc<TcpStream>;

/// Real sockets under the names that the core gives them.
///
/// Operations are attempted at once; those that would block wait here until [`Sockets::retry`] is called for a socket that is ready.
/// Nothing here blocks, and nothing here decides.
#[derive(Debug, Default)]
pub struct Sockets {
    first: u32,
    entries: Vec<Option<Entry>>,
    buffer: ReceiveBuffer,
}

#[derive(Debug)]
struct Entry {
    id: SocketId,
    handle: Handle,
    recv: Option<RecvOp>,
    send: Option<SendOp>,
    connect: Option<ConnectOp>,
    accepts: VecDeque<AcceptOp>,
}

/// What to watch a socket for: only what an operation waits for. A hang-up on a socket that nobody waits for would wake a
/// level-triggered loop for ever.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Interest {
    /// An accept or a receive waits.
    pub readable: bool,
    /// A connect or a send waits.
    pub writable: bool,
}

/// The two ways for a socket to be ready. A hang-up or an error counts as both.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ready {
    /// An accept or a receive may go on.
    Readable,
    /// A connect or a send may go on.
    Writable,
}

impl Sockets {
    /// An empty table for names from slot 0 on.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty table for names from slot `first` on; lower ones are no names of this table.
    #[must_use]
    pub fn starting_at(first: u32) -> Self {
        Self { first, ..Self::default() }
    }

    /// Starts an operation. `Some` is its completion; `None` means that it waits. A cancel gives the completion of its target, if that
    /// waits here.
    ///
    /// Before a [`CloseOp`](sansock::CloseOp) is handed in, the loop forgets its registration of the socket.
    pub fn submit(&mut self, op: Op) -> Option<Completion> {
        match op {
            Op::Startup(op) => Some(op.done()),
            Op::Cleanup(op) => Some(op.done()),
            Op::Create(op) if !self.is_free(op.socket()) => Some(op.failed(FaultKind::BadDescriptor.into())),
            Op::Create(op) => {
                let id = op.socket();
                let (socket, done) = calls::create(op);
                if let Some(socket) = socket {
                    self.insert(id, Arc::new(socket));
                }
                Some(done)
            }
            Op::Bind(op) => match self.handle(op.socket()) {
                Some(handle) => Some(calls::bind(&SockRef::from(&**handle), op)),
                None => Some(op.failed(FaultKind::BadDescriptor.into())),
            },
            Op::Listen(op) => match self.handle(op.socket()) {
                Some(handle) => Some(calls::listen(&SockRef::from(&**handle), op)),
                None => Some(op.failed(FaultKind::BadDescriptor.into())),
            },
            Op::Shutdown(op) => match self.handle(op.socket()) {
                Some(handle) => Some(calls::shutdown(&SockRef::from(&**handle), op)),
                None => Some(op.failed(FaultKind::BadDescriptor.into())),
            },
            Op::Close(op) => {
                let handle = self.take(op.socket());
                Some(calls::close(handle, op))
            }
            Op::Accept(op) => self.accept(op),
            Op::Connect(op) => self.connect(op),
            Op::Recv(op) => self.recv(op),
            Op::Send(op) => self.send(op),
            Op::Cancel(op) => self.cancel(op.target()),
        }
    }

    /// The socket is ready: tries again what waits. `Some` is a completion; accepts may have more than one, so call this until `None`.
    pub fn retry(&mut self, socket: SocketId, ready: Ready) -> Option<Completion> {
        let entry = self.entry(socket)?;
        match ready {
            Ready::Readable => match entry.accepts.pop_front() {
                Some(op) => self.accept_first(op),
                None => entry.recv.take().and_then(|op| self.recv(op)),
            },
            Ready::Writable => match entry.connect.take() {
                Some(op) => self.check_connect(op),
                None => entry.send.take().and_then(|op| self.send(op)),
            },
        }
    }

    /// The socket cannot be watched, for this reason, so nothing would ever be heard of it: what waits for it fails. What that means is for
    /// the machine to decide. `Some` is a completion; several operations may wait, so call this until `None`.
    pub fn fail(&mut self, socket: SocketId, error: &io::Error) -> Option<Completion> {
        let entry = self.entry(socket)?;
        let fault = |operation| fault_of(error, operation);
        None.or_else(|| entry.accepts.pop_front().map(|op| op.failed(fault(OpKind::Accept))))
            .or_else(|| entry.connect.take().map(|op| op.failed(fault(OpKind::Connect))))
            .or_else(|| entry.recv.take().map(|op| op.failed(fault(OpKind::Recv))))
            .or_else(|| entry.send.take().map(|op| op.failed(fault(OpKind::Send))))
    }

    /// What the socket is to be watched for.
    #[must_use]
    pub fn interest(&self, socket: SocketId) -> Interest {
        self.get(socket).map_or(Interest::default(), Entry::interest)
    }

    /// Every socket that something waits for.
    pub fn waiting(&self) -> impl Iterator<Item = (SocketId, &Handle, Interest)> {
        self.entries.iter().flatten().map(|entry| (entry.id, &entry.handle, entry.interest())).filter(|(_, _, interest)| {
            let Interest { readable, writable } = *interest;
            readable || writable
        })
    }

    /// The socket, to register it with a poller or to ask it something.
    #[must_use]
    pub fn handle(&self, socket: SocketId) -> Option<&Handle> {
        self.get(socket).map(|entry| &entry.handle)
    }

    /// Takes a socket out of the table, to put it into another. What waits for it is dropped, so nothing should.
    pub fn take(&mut self, socket: SocketId) -> Option<Handle> {
        let index = self.index(socket)?;
        self.get(socket)?;
        self.entries.get_mut(index)?.take().map(|entry| entry.handle)
    }

    /// Puts a socket into the table under this name, in the place of what had it before. It must not block (`O_NONBLOCK`). Under a name
    /// below the table's first slot it is dropped.
    pub fn insert(&mut self, socket: SocketId, handle: Handle) {
        let Some(index) = self.index(socket) else { return };
        while self.entries.len() <= index {
            self.entries.push(None);
        }
        self.entries[index] = Some(Entry { id: socket, handle, recv: None, send: None, connect: None, accepts: VecDeque::new() });
    }

    fn accept(&mut self, op: AcceptOp) -> Option<Completion> {
        let free = self.is_free(op.slot());
        match self.entry(op.listener()).filter(|_| free) {
            None => Some(op.failed(FaultKind::BadDescriptor.into())),
            // Those that came before are served before.
            Some(entry) if !entry.accepts.is_empty() && op.wait() => {
                entry.accepts.push_back(op);
                None
            }
            Some(_) => self.accept_first(op),
        }
    }

    fn accept_first(&mut self, op: AcceptOp) -> Option<Completion> {
        let slot = op.slot();
        let entry = self.entry(op.listener())?;
        let (socket, attempt) = calls::accept(&SockRef::from(&*entry.handle), op);
        match attempt {
            Attempt::Again(op) => {
                entry.accepts.push_front(op);
                None
            }
            Attempt::Done(done) => {
                if let Some(socket) = socket {
                    self.insert(slot, Arc::new(socket));
                }
                Some(done)
            }
        }
    }

    fn connect(&mut self, op: ConnectOp) -> Option<Completion> {
        let Some(entry) = self.entry(op.socket()) else { return Some(op.failed(FaultKind::BadDescriptor.into())) };
        match calls::connect(&SockRef::from(&*entry.handle), op) {
            Attempt::Done(done) => Some(done),
            Attempt::Again(op) => {
                entry.connect = Some(op);
                None
            }
        }
    }

    fn check_connect(&mut self, op: ConnectOp) -> Option<Completion> {
        let entry = self.entry(op.socket())?;
        match calls::check_connect(&SockRef::from(&*entry.handle), op) {
            Attempt::Done(done) => Some(done),
            Attempt::Again(op) => {
                entry.connect = Some(op);
                None
            }
        }
    }

    fn recv(&mut self, op: RecvOp) -> Option<Completion> {
        let Some(index) = self.index(op.socket()).filter(|_| self.get(op.socket()).is_some()) else {
            return Some(op.failed(FaultKind::BadDescriptor.into()));
        };
        let entry = self.entries.get_mut(index)?.as_mut()?;
        match calls::recv(&SockRef::from(&*entry.handle), op, &mut self.buffer) {
            Attempt::Done(done) => Some(done),
            Attempt::Again(op) => {
                entry.recv = Some(op);
                None
            }
        }
    }

    fn send(&mut self, op: SendOp) -> Option<Completion> {
        let Some(entry) = self.entry(op.socket()) else { return Some(op.failed(FaultKind::BadDescriptor.into())) };
        match calls::send(&SockRef::from(&*entry.handle), op) {
            Attempt::Done(done) => Some(done),
            Attempt::Again(op) => {
                entry.send = Some(op);
                None
            }
        }
    }

    fn cancel(&mut self, target: OpId) -> Option<Completion> {
        let cancelled = FaultKind::Cancelled.into();
        if target.kind() == OpKind::Accept {
            let accepts = self.entries.iter_mut().flatten().map(|entry| &mut entry.accepts);
            return accepts.into_iter().find_map(|accepts| {
                let place = accepts.iter().position(|op| op.id() == target)?;
                accepts.remove(place).map(|op| op.failed(cancelled))
            });
        }
        let entry = self.entry(target.socket())?;
        match target.kind() {
            OpKind::Recv => entry.recv.take_if(|op| op.id() == target).map(|op| op.failed(cancelled)),
            OpKind::Send => entry.send.take_if(|op| op.id() == target).map(|op| op.failed(cancelled)),
            OpKind::Connect => entry.connect.take_if(|op| op.id() == target).map(|op| op.failed(cancelled)),
            _ => None,
        }
    }

    fn index(&self, socket: SocketId) -> Option<usize> {
        Some(socket.slot().checked_sub(self.first)? as usize)
    }

    /// True if a new socket can have this name.
    fn is_free(&self, socket: SocketId) -> bool {
        self.index(socket).is_some_and(|index| self.entries.get(index).is_none_or(Option::is_none))
    }

    fn get(&self, socket: SocketId) -> Option<&Entry> {
        self.entries.get(self.index(socket)?)?.as_ref().filter(|entry| entry.id == socket)
    }

    fn entry(&mut self, socket: SocketId) -> Option<&mut Entry> {
        let index = self.index(socket)?;
        self.entries.get_mut(index)?.as_mut().filter(|entry| entry.id == socket)
    }
}

impl Entry {
    fn interest(&self) -> Interest {
        Interest {
            readable: self.recv.is_some() || !self.accepts.is_empty(),
            writable: self.send.is_some() || self.connect.is_some(),
        }
    }
}
