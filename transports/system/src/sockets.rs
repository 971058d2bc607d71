//! A table of sockets, and the operations that wait for them.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use sansock::{AcceptOp, Address, Completion, FaultKind, Op, OpId, OpKind, Outcome, SocketId};
use socket2::SockRef;

use crate::buffer::ReceiveBuffer;
use crate::calls::{self, Attempt};
use crate::entry::Entry;

/// An open socket: listening, connecting or connected. The standard library's type for streams is used for all of them because every
/// reactor knows it; [`socket2::SockRef`] gives access to the rest.
pub type Handle = Arc<TcpStream>;

/// Real sockets under the names that the core gives them.
///
/// Operations are attempted as soon as they are worth a try; those that would block wait here until [`Sockets::note`] says
/// that the socket is ready, and [`Sockets::retry`] tries again. Nothing here blocks, and nothing here decides.
///
/// A try is saved where its result is known: a socket that has given less than was asked for is empty, and a new one has nothing
/// to read. Such a receive waits at once, and the poller says when it is worth a try. So the steady state of a message and its answer is one
/// receive and one send.
#[derive(Debug, Default)]
pub struct Sockets {
    first: u32,
    entries: Vec<Option<Entry>>,
    buffer: ReceiveBuffer,
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

impl Interest {
    /// Neither direction.
    pub const NONE: Self = Self { readable: false, writable: false };
    /// Both directions.
    pub const BOTH: Self = Self { readable: true, writable: true };

    /// True if neither direction is watched.
    #[must_use]
    pub const fn is_none(self) -> bool {
        !self.readable && !self.writable
    }

    /// What is in this or in `other`.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self { readable: self.readable || other.readable, writable: self.writable || other.writable }
    }

    /// What is in this and not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self { readable: self.readable && !other.readable, writable: self.writable && !other.writable }
    }
}

/// The ways for a socket to be ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ready {
    /// An accept or a receive may go on.
    Readable,
    /// A connect or a send may go on.
    Writable,
    /// Both: an edge-triggered poller mostly says so, and then one look at the socket is enough.
    Both,
    /// A hang-up, an error, or the peer's end (`EPOLLHUP`, `EPOLLERR`, `EPOLLRDHUP`, `EV_EOF`): everything may go on. An edge-triggered
    /// poller must say this: the peer's end can be behind the last bytes, with no edge of its own.
    Ended,
}

impl Ready {
    /// What a poller reports as two flags; `None` if neither is set.
    #[must_use]
    pub const fn of(readable: bool, writable: bool) -> Option<Self> {
        match (readable, writable) {
            (true, true) => Some(Self::Both),
            (true, false) => Some(Self::Readable),
            (false, true) => Some(Self::Writable),
            (false, false) => None,
        }
    }

    /// The directions that are ready.
    #[must_use]
    pub const fn directions(self) -> Interest {
        match self {
            Self::Readable => Interest { readable: true, writable: false },
            Self::Writable => Interest { readable: false, writable: true },
            Self::Both | Self::Ended => Interest::BOTH,
        }
    }
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
            // What happens with every message comes first.
            Op::Recv(op) => match find(&mut self.entries, self.first, op.socket()) {
                Some(entry) => entry.recv(op, &mut self.buffer),
                None => Some(op.failed(FaultKind::BadDescriptor.into())),
            },
            Op::Send(op) => match self.entry(op.socket()) {
                Some(entry) => entry.send(op),
                None => Some(op.failed(FaultKind::BadDescriptor.into())),
            },
            op => self.submit_rare(op),
        }
    }

    #[inline(never)]
    fn submit_rare(&mut self, op: Op) -> Option<Completion> {
        let missing = FaultKind::BadDescriptor.into();
        match op {
            Op::Recv(_) | Op::Send(_) => self.submit(op),
            Op::Accept(op) => self.accept(op),
            Op::Connect(op) => match self.entry(op.socket()) {
                Some(entry) => entry.connect(op),
                None => Some(op.failed(missing)),
            },
            Op::Shutdown(op) => Some(match self.handle(op.socket()) {
                Some(handle) => calls::shutdown(&SockRef::from(&**handle), op),
                None => op.failed(missing),
            }),
            Op::Close(op) => {
                let handle = self.take(op.socket());
                Some(calls::close(handle, op))
            }
            Op::Cancel(op) => self.cancel(op.target()),
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
            Op::Bind(op) => Some(match self.handle(op.socket()) {
                Some(handle) => calls::bind(&SockRef::from(&**handle), op),
                None => op.failed(missing),
            }),
            Op::Listen(op) => Some(match self.entry(op.socket()) {
                Some(entry) => {
                    let done = calls::listen(&SockRef::from(&*entry.handle), op);
                    if let Outcome::Local(Some(Address::Ip(local))) = done.outcome() {
                        entry.set_local(Some(*local));
                    }
                    done
                }
                None => op.failed(missing),
            }),
        }
    }

    /// The poller's news: the socket is ready. Follow it with [`Sockets::retry`].
    pub fn note(&mut self, socket: SocketId, ready: Ready) {
        if let Some(entry) = self.entry(socket) {
            entry.note(ready);
        }
    }

    /// Tries again what waits for the socket and is worth a try. `Some` is a completion; there may be more than one, so call this until
    /// `None`.
    pub fn retry(&mut self, socket: SocketId) -> Option<Completion> {
        let entry = find(&mut self.entries, self.first, socket)?;
        if let Some(done) = entry.retry_recv(&mut self.buffer) {
            return Some(done);
        }
        if entry.only_receives() {
            return None;
        }
        if let Some(done) = entry.retry_write() {
            return Some(done);
        }
        let op = entry.next_accept()?;
        self.accept_now(op)
    }

    /// The socket cannot be watched, for this reason, so nothing would ever be heard of it: what waits for it fails. What that means is for
    /// the machine to decide. `Some` is a completion; several operations may wait, so call this until `None`.
    pub fn fail(&mut self, socket: SocketId, error: &io::Error) -> Option<Completion> {
        self.entry(socket)?.fail(error)
    }

    /// What the socket is to be watched for.
    #[must_use]
    pub fn interest(&self, socket: SocketId) -> Interest {
        self.get(socket).map_or(Interest::default(), Entry::interest)
    }

    /// Every socket that something waits for.
    pub fn waiting(&self) -> impl Iterator<Item = (SocketId, &Handle, Interest)> {
        let all = self.entries.iter().flatten().map(|entry| (entry.id, &entry.handle, entry.interest()));
        all.filter(|(_, _, interest)| !interest.is_none())
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
        if self.entries.len() <= index {
            self.entries.resize_with(index + 1, || None);
        }
        self.entries[index] = Some(Entry::new(socket, handle));
    }

    /// Puts a socket into the table that was accepted by other means, as with io_uring, and sets its options: the rest of an accept.
    pub fn insert_accepted(&mut self, op: AcceptOp, stream: TcpStream, peer: Option<SocketAddr>) -> Completion {
        let at = self.get(op.listener()).and_then(Entry::local);
        let connected = calls::accepted(&SockRef::from(&stream), peer, at, op.options());
        self.insert(op.slot(), Arc::new(stream));
        op.accepted(connected)
    }

    fn accept(&mut self, op: AcceptOp) -> Option<Completion> {
        let free = self.is_free(op.slot());
        match self.entry(op.listener()).filter(|_| free) {
            None => Some(op.failed(FaultKind::BadDescriptor.into())),
            Some(entry) if entry.accepts_at_once(&op) => self.accept_now(op),
            Some(entry) => {
                entry.wait_to_accept(op);
                None
            }
        }
    }

    fn accept_now(&mut self, op: AcceptOp) -> Option<Completion> {
        let slot = op.slot();
        let entry = self.entry(op.listener())?;
        let (socket, attempt) = calls::accept(&SockRef::from(&*entry.handle), entry.local(), op);
        match attempt {
            Attempt::Again(op) => {
                entry.accept_later(op);
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

    pub(crate) fn cancel(&mut self, target: OpId) -> Option<Completion> {
        let fault = FaultKind::Cancelled.into();
        if target.kind() == OpKind::Accept {
            return self.entries.iter_mut().flatten().find_map(|entry| entry.cancel(target, fault));
        }
        self.entry(target.socket())?.cancel(target, fault)
    }

    fn index(&self, socket: SocketId) -> Option<usize> {
        Some(socket.slot().checked_sub(self.first)? as usize)
    }

    /// True if a new socket can have this name.
    fn is_free(&self, socket: SocketId) -> bool {
        self.index(socket).is_some_and(|index| self.entries.get(index).is_none_or(Option::is_none))
    }

    pub(crate) fn get(&self, socket: SocketId) -> Option<&Entry> {
        self.entries.get(self.index(socket)?)?.as_ref().filter(|entry| entry.id == socket)
    }

    #[inline]
    pub(crate) fn entry(&mut self, socket: SocketId) -> Option<&mut Entry> {
        find(&mut self.entries, self.first, socket)
    }

    /// Whoever is in this slot.
    #[inline]
    pub(crate) fn entry_at(&mut self, slot: u32) -> Option<&mut Entry> {
        let index = slot.checked_sub(self.first)? as usize;
        self.entries.get_mut(index)?.as_mut()
    }

    pub(crate) fn entries_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.entries.iter_mut().flatten()
    }
}

/// [`Sockets::entry`], for when another field is borrowed too.
#[inline]
fn find(entries: &mut [Option<Entry>], first: u32, socket: SocketId) -> Option<&mut Entry> {
    let index = socket.slot().checked_sub(first)? as usize;
    entries.get_mut(index)?.as_mut().filter(|entry| entry.id == socket)
}
