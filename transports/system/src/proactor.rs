//! An event loop whose operations are carried out by the kernel.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use sansock::{
    AcceptOp, Completion, ConnectOp, FaultKind, Machine, Op, OpId, OpKind, Outcome, Output, RecvOp, SendOp, SocketId, Timestamp,
};

use crate::fault::{fault_of, from_errno};
use crate::{Clock, Handle, Ready, Sockets};

/// So much may arrive on a socket before anybody asks for it; then the kernel is told to stop.
const EARLY: usize = 64 * 1024;

/// Where operations are put for the kernel: what differs from one interface to the next, and what needs unsafe code.
///
/// Each has a name, which is what its results are handed to [`Proactor::finished`] with. Names are those of [`OpId::as_u64`]; a number whose
/// bits 8 to 11 are all ones is none of them, so those are free for the loop's own purposes.
pub trait Queue {
    /// Receives again and again into memory of the queue's own, until it is cancelled, fails, or has no memory left.
    ///
    /// # Errors
    /// Those of the kernel's interface. The operation fails with it, as for all others here.
    fn receive(&mut self, handle: &Handle, name: u64) -> io::Result<()>;

    /// Sends the first bytes of `op`, as many as suit the kernel. Their memory stays where it is until the operation has finished, even if the
    /// token is moved.
    ///
    /// # Errors
    /// As for [`Queue::receive`].
    fn send(&mut self, handle: &Handle, op: &SendOp, name: u64) -> io::Result<()>;

    /// Accepts one connection.
    ///
    /// # Errors
    /// As for [`Queue::receive`].
    fn accept(&mut self, listener: &Handle, name: u64) -> io::Result<()>;

    /// Waits until the socket can be written to.
    ///
    /// # Errors
    /// As for [`Queue::receive`].
    fn writable(&mut self, handle: &Handle, name: u64) -> io::Result<()>;

    /// Cancels what has this name. It finishes soon, with whatever result; if it has finished already there is nothing to do.
    ///
    /// # Errors
    /// Those of the kernel's interface.
    fn cancel(&mut self, name: u64) -> io::Result<()>;
}

/// What came of an operation in the queue.
#[derive(Debug)]
pub enum Finished {
    /// A receive: these bytes, one at least. `more` if it goes on.
    Received {
        /// What the kernel has put into a buffer.
        data: bytes::Bytes,
        /// The operation is still in the queue.
        more: bool,
    },
    /// A receive: the peer's end.
    Ended,
    /// A receive had no buffer left, and starts again.
    Starved,
    /// A send: so many bytes.
    Sent(usize),
    /// An accept: this connection. It must be in blocking mode, where an operation that finds nothing waits.
    Accepted(TcpStream),
    /// A wait for the socket to be writable, or a cancel: it is over.
    Done,
    /// It failed with this errno.
    Failed(i32),
}

/// Drives a machine over real sockets whose operations the kernel carries out (io_uring, completion ports): everything about such a loop but
/// the kernel's interface.
///
/// The loop is always the same:
///
/// 1. [`next_event`](Proactor::next_event) until it gives `None`;
/// 2. wait for results, for no longer than [`timeout`](Proactor::timeout) says;
/// 3. hand in each with [`finished`](Proactor::finished); go to 1.
///
/// A receive stays in the queue for as long as its socket lives: most messages need no new one. What arrives before the machine asks for it is
/// kept, and is bounded: beyond 64 KiB the receive is cancelled, and starts again when everything was asked for.
#[derive(Debug)]
pub struct Proactor<M: Machine, Q: Queue> {
    machine: M,
    queue: Q,
    sockets: Sockets,
    sends: InFlight,
    accepts: Vec<AcceptOp>,
    clock: Clock,
    now: Timestamp,
    /// The time is to be read again.
    stale: bool,
}

impl<M: Machine, Q: Queue> Proactor<M, Q> {
    /// A proactor for this machine. Its clock starts now.
    pub fn new(machine: M, queue: Q) -> Self {
        let clock = Clock::new();
        Self {
            machine,
            queue,
            sockets: Sockets::new(),
            sends: InFlight::default(),
            accepts: Vec::new(),
            clock,
            now: clock.now(),
            stale: false,
        }
    }

    /// The machine.
    #[must_use]
    pub const fn machine(&self) -> &M {
        &self.machine
    }

    /// Calls the machine: to start, to drain, to stop. What that leads to, the next [`next_event`](Proactor::next_event) carries out.
    pub fn call<T>(&mut self, call: impl FnOnce(&mut M, Timestamp) -> T) -> T {
        let now = self.now();
        call(&mut self.machine, now)
    }

    /// The queue, to wait for results.
    pub const fn queue(&mut self) -> &mut Q {
        &mut self.queue
    }

    /// Works until there is an event to tell; `None` when everything is in the queue that can be done before the next result.
    pub fn next_event(&mut self) -> Option<M::Event> {
        let now = self.now();
        if self.machine.deadline().is_some_and(|deadline| deadline.is_due(now)) {
            self.machine.handle_timeout(now);
        }
        loop {
            match self.machine.poll()? {
                Output::Event(event) => return Some(event),
                Output::Submit(op) => {
                    if let Some(done) = self.submit(op) {
                        self.complete(done);
                    }
                }
            }
        }
    }

    /// How long to wait: `None` until there is a result. Call it directly before each wait: any call may have moved the deadline.
    pub fn timeout(&mut self) -> Option<Duration> {
        self.stale = true;
        self.machine.deadline().map(|deadline| self.clock.until(deadline))
    }

    /// The queue reports what came of the operation with this name. A report for a socket that is gone does nothing.
    pub fn finished(&mut self, name: u64, finished: Finished) {
        let Some(id) = OpId::from_u64(name) else { return };
        let outcome = match (id.kind(), finished) {
            (OpKind::Recv, finished) => return self.received(id, finished),
            (OpKind::Accept, finished) => return self.accepted(id, finished),
            (OpKind::Connect, _) => return self.connected(id.socket()),
            (OpKind::Send, Finished::Sent(count)) => Outcome::Sent(count),
            (OpKind::Send, Finished::Failed(code)) => Outcome::Failed(from_errno(code, OpKind::Send)),
            // A cancel has no completion.
            _ => return,
        };
        self.sends.take(id.socket());
        self.complete(Completion::from_raw(id, outcome));
    }

    fn submit(&mut self, op: Op) -> Option<Completion> {
        match op {
            Op::Recv(op) => self.receive(op),
            Op::Send(op) => self.send(op),
            Op::Accept(op) if op.wait() => self.accept(op),
            Op::Accept(op) => {
                // Whoever is to see at once that nobody is there must not wait in the system.
                let (listener, slot) = (op.listener(), op.slot());
                self.set_nonblocking(listener, true);
                let done = self.sockets.submit(Op::Accept(op));
                self.set_nonblocking(slot, false);
                done
            }
            Op::Connect(op) => self.connect(op),
            Op::Cancel(op) => self.cancel(op.target()),
            Op::Close(op) => {
                // The kernel holds on to a socket for as long as something is in its queue.
                if self.sockets.entry(op.socket()).is_some_and(|entry| entry.registered) {
                    let _ = self.queue.cancel(name(op.socket()));
                }
                self.sockets.submit(Op::Close(op))
            }
            op => {
                let id = op.id();
                let done = self.sockets.submit(op);
                if id.kind() == OpKind::Create {
                    self.set_nonblocking(id.socket(), false);
                }
                done
            }
        }
    }

    fn receive(&mut self, op: RecvOp) -> Option<Completion> {
        let Some(entry) = self.sockets.entry(op.socket()) else { return Some(op.failed(FaultKind::BadDescriptor.into())) };
        if let Some(outcome) = entry.take_early(op.max()) {
            return Some(Completion::from_raw(op.id(), outcome));
        }
        let socket = op.socket();
        entry.wait_to_receive(op);
        self.listen_to(socket)
    }

    /// Makes sure that a receive is in the queue.
    fn listen_to(&mut self, socket: SocketId) -> Option<Completion> {
        let entry = self.sockets.entry(socket)?;
        if std::mem::replace(&mut entry.registered, true) {
            return None;
        }
        let error = self.queue.receive(&entry.handle, name(socket)).err()?;
        entry.registered = false;
        entry.fail(&error)
    }

    fn received(&mut self, id: OpId, finished: Finished) {
        let socket = id.socket();
        let Some(entry) = self.sockets.entry(socket) else { return };
        let more = matches!(finished, Finished::Received { more: true, .. });
        entry.registered = more;
        let outcome = match finished {
            Finished::Received { data, .. } => Outcome::Data(data),
            Finished::Ended => Outcome::Eof,
            Finished::Failed(code) if code != CANCELLED => Outcome::Failed(from_errno(code, OpKind::Recv)),
            // It is over and has brought nothing: whoever waits needs another.
            _ if entry.waits_to_receive() => {
                if let Some(done) = self.listen_to(socket) {
                    self.complete(done);
                }
                return;
            }
            _ => return,
        };
        // Where a receive waits, nothing has come early.
        if let Some(op) = entry.stop_waiting() {
            let outcome = entry.keep_rest(outcome, op.max());
            self.complete(Completion::from_raw(op.id(), outcome));
            return;
        }
        entry.come_early(outcome);
        if more && entry.early_bytes() >= EARLY {
            let _ = self.queue.cancel(name(socket));
        }
    }

    fn send(&mut self, op: SendOp) -> Option<Completion> {
        let Some(entry) = self.sockets.entry(op.socket()) else { return Some(op.failed(FaultKind::BadDescriptor.into())) };
        match self.queue.send(&entry.handle, &op, op.id().as_u64()) {
            Ok(()) => {
                self.sends.put(op);
                None
            }
            Err(error) => Some(op.failed(fault_of(&error, OpKind::Send))),
        }
    }

    fn accept(&mut self, op: AcceptOp) -> Option<Completion> {
        let Some(entry) = self.sockets.entry(op.listener()) else { return Some(op.failed(FaultKind::BadDescriptor.into())) };
        match self.queue.accept(&entry.handle, op.id().as_u64()) {
            Ok(()) => {
                self.accepts.push(op);
                None
            }
            Err(error) => Some(op.failed(fault_of(&error, OpKind::Accept))),
        }
    }

    fn accepted(&mut self, id: OpId, finished: Finished) {
        let Some(place) = self.accepts.iter().position(|op| op.id() == id) else { return };
        let op = self.accepts.swap_remove(place);
        let done = match finished {
            Finished::Accepted(stream) => {
                let peer: Option<SocketAddr> = stream.peer_addr().ok();
                self.sockets.insert_accepted(op, stream, peer)
            }
            Finished::Failed(code) => op.failed(from_errno(code, OpKind::Accept)),
            _ => op.failed(FaultKind::Other.into()),
        };
        self.complete(done);
    }

    /// A connect must not wait in the system either: it is begun, and the kernel says when it is over.
    fn connect(&mut self, op: ConnectOp) -> Option<Completion> {
        let (socket, id) = (op.socket(), op.id());
        self.set_nonblocking(socket, true);
        let done = self.sockets.submit(Op::Connect(op));
        if done.is_some() {
            self.set_nonblocking(socket, false);
            return done;
        }
        let entry = self.sockets.entry(socket)?;
        let error = self.queue.writable(&entry.handle, id.as_u64()).err()?;
        entry.fail(&error)
    }

    fn connected(&mut self, socket: SocketId) {
        self.sockets.note(socket, Ready::Writable);
        while let Some(done) = self.sockets.retry(socket) {
            self.set_nonblocking(socket, false);
            self.complete(done);
        }
    }

    fn cancel(&mut self, target: OpId) -> Option<Completion> {
        match target.kind() {
            // It waits here; the kernel's goes on for as long as the socket lives.
            OpKind::Recv => self.sockets.cancel(target),
            OpKind::Connect => {
                let _ = self.queue.cancel(target.as_u64());
                self.sockets.cancel(target)
            }
            _ => {
                let _ = self.queue.cancel(target.as_u64());
                None
            }
        }
    }

    /// A failure leaves the socket as it is; what is tried with it then says so.
    fn set_nonblocking(&self, socket: SocketId, on: bool) {
        if let Some(handle) = self.sockets.handle(socket) {
            let _ = handle.set_nonblocking(on);
        }
    }

    fn complete(&mut self, done: Completion) {
        let now = self.now();
        let result = self.machine.complete(now, done);
        debug_assert!(result.is_ok(), "what was submitted is completed once: {result:?}");
    }

    fn now(&mut self) -> Timestamp {
        if std::mem::take(&mut self.stale) {
            self.now = self.clock.now();
        }
        self.now
    }
}

/// What was cancelled has this errno.
const CANCELLED: i32 = rustix::io::Errno::CANCELED.raw_os_error();

/// The name of a socket's receive in the queue.
fn name(socket: SocketId) -> u64 {
    OpId::new(socket, OpKind::Recv, 0).as_u64()
}

/// What is being sent: the bytes belong to the operation until it completes. A socket that sends nothing has four bytes here.
#[derive(Debug, Default)]
struct InFlight {
    /// By slot: where its operation is, counted from 1.
    places: Vec<u32>,
    ops: Vec<Option<SendOp>>,
    free: Vec<u32>,
}

impl InFlight {
    fn put(&mut self, op: SendOp) {
        let slot = op.socket().slot() as usize;
        if self.places.len() <= slot {
            self.places.resize(slot + 1, 0);
        }
        let place = self.free.pop().unwrap_or_else(|| {
            self.ops.push(None);
            self.ops.len() as u32
        });
        self.places[slot] = place;
        self.ops[place as usize - 1] = Some(op);
    }

    fn take(&mut self, socket: SocketId) -> Option<SendOp> {
        let place = std::mem::take(self.places.get_mut(socket.slot() as usize)?);
        let op = self.ops.get_mut((place as usize).checked_sub(1)?)?.take();
        self.free.push(place);
        op
    }
}
