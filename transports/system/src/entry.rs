//! One socket of the table, and what waits for it.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use sansock::{AcceptOp, Completion, ConnectOp, Fault, OpId, OpKind, Outcome, RecvOp, SendOp, SocketId};
use socket2::SockRef;

use crate::buffer::ReceiveBuffer;
use crate::calls::{self, Attempt};
use crate::fault::fault_of;
use crate::sockets::{Handle, Interest, Ready};

/// A socket. An idle connection waits for one receive; whatever else can wait is kept apart, so that many idle connections stay small.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: SocketId,
    pub(crate) handle: Handle,
    recv: Option<RecvOp>,
    rare: Option<Box<Rare>>,
    ready: Readiness,
    /// What the poller watches the socket for: kept for [`Reactor`](crate::Reactor).
    pub(crate) watched: Interest,
    /// The poller knows the socket.
    pub(crate) registered: bool,
}

/// What most sockets do not have most of the time. Once it was needed it stays, so that a slow peer costs no allocation per send.
#[derive(Debug, Default)]
struct Rare {
    send: Option<SendOp>,
    connect: Option<ConnectOp>,
    accepts: VecDeque<AcceptOp>,
    local: Option<SocketAddr>,
    /// What has come before it was asked for: only where the kernel receives of its own accord.
    early: VecDeque<Outcome>,
}

/// What is known of the socket since it was last tried.
#[derive(Clone, Copy, Debug)]
struct Readiness {
    /// A receive or an accept is worth a try. What would fail need not be called.
    readable: bool,
    /// A send is worth a try.
    writable: bool,
    /// The peer's end was announced: a receive that takes all there is must be followed by another, which will say so.
    ended: bool,
}

impl Entry {
    /// A new socket can be written to, and there is nothing to be read before somebody says so.
    pub(crate) fn new(id: SocketId, handle: Handle) -> Self {
        let ready = Readiness { readable: false, writable: true, ended: false };
        Self { id, handle, recv: None, rare: None, ready, watched: Interest::default(), registered: false }
    }

    /// What the socket is to be watched for.
    pub(crate) fn interest(&self) -> Interest {
        let rare = self.rare.as_deref();
        Interest {
            readable: self.recv.is_some() || rare.is_some_and(|rare| !rare.accepts.is_empty()),
            writable: rare.is_some_and(|rare| rare.send.is_some() || rare.connect.is_some()),
        }
    }

    /// The poller's news.
    pub(crate) fn note(&mut self, ready: Ready) {
        match ready {
            Ready::Readable => self.ready.readable = true,
            Ready::Writable => self.ready.writable = true,
            Ready::Both => (self.ready.readable, self.ready.writable) = (true, true),
            Ready::Ended => self.ready = Readiness { readable: true, writable: true, ended: true },
        }
    }

    /// Tries again the receive that waits, if it is worth a try.
    #[inline]
    pub(crate) fn retry_recv(&mut self, buffer: &mut ReceiveBuffer) -> Option<Completion> {
        if !self.ready.readable {
            return None;
        }
        let op = self.recv.take()?;
        self.recv(op, buffer)
    }

    /// True if a receive is all that can wait.
    #[inline]
    pub(crate) fn only_receives(&self) -> bool {
        self.rare.is_none()
    }

    /// Tries again the connect or send that waits, if it is worth a try.
    pub(crate) fn retry_write(&mut self) -> Option<Completion> {
        if !self.ready.writable {
            return None;
        }
        let rare = self.rare.as_deref_mut()?;
        if let Some(op) = rare.connect.take() {
            return match calls::check_connect(&SockRef::from(&*self.handle), op) {
                Attempt::Done(done) => Some(done),
                Attempt::Again(op) => {
                    rare.connect = Some(op);
                    None
                }
            };
        }
        let op = rare.send.take()?;
        self.send(op)
    }

    #[inline]
    pub(crate) fn recv(&mut self, op: RecvOp, buffer: &mut ReceiveBuffer) -> Option<Completion> {
        if !self.ready.readable {
            self.recv = Some(op);
            return None;
        }
        let max = op.max();
        match calls::recv(&self.handle, op, buffer) {
            Attempt::Done(done) => {
                // Less than asked for is all there was: a second receive would only say so.
                if let sansock::Outcome::Data(data) = done.outcome() {
                    self.ready.readable = self.ready.ended || data.len() == max;
                }
                Some(done)
            }
            Attempt::Again(op) => {
                // Had the peer ended, there would be an end to receive.
                self.ready.readable = false;
                self.ready.ended = false;
                self.recv = Some(op);
                None
            }
        }
    }

    #[inline]
    pub(crate) fn send(&mut self, op: SendOp) -> Option<Completion> {
        if !self.ready.writable {
            self.rare().send = Some(op);
            return None;
        }
        let asked = op.asked();
        match calls::send(&self.handle, op) {
            Attempt::Done(done) => {
                if let sansock::Outcome::Sent(count) = done.outcome() {
                    self.ready.writable = *count == asked;
                }
                Some(done)
            }
            Attempt::Again(op) => {
                self.ready.writable = false;
                self.rare().send = Some(op);
                None
            }
        }
    }

    pub(crate) fn connect(&mut self, op: ConnectOp) -> Option<Completion> {
        match calls::connect(&SockRef::from(&*self.handle), op) {
            Attempt::Done(done) => Some(done),
            Attempt::Again(op) => {
                self.rare().connect = Some(op);
                None
            }
        }
    }

    /// True if an accept is worth a try before the listener is said to be readable.
    pub(crate) fn accepts_at_once(&self, op: &AcceptOp) -> bool {
        // Those that came before are served before.
        let first = self.rare.as_deref().is_none_or(|rare| rare.accepts.is_empty());
        !op.wait() || (self.ready.readable && first)
    }

    pub(crate) fn wait_to_accept(&mut self, op: AcceptOp) {
        self.rare().accepts.push_back(op);
    }

    /// The listener had nothing for this accept.
    pub(crate) fn accept_later(&mut self, op: AcceptOp) {
        self.ready.readable = false;
        self.rare().accepts.push_front(op);
    }

    /// The accept to try again, if it is worth a try.
    pub(crate) fn next_accept(&mut self) -> Option<AcceptOp> {
        if !self.ready.readable {
            return None;
        }
        self.rare.as_deref_mut()?.accepts.pop_front()
    }

    /// The address that a listener was bound to.
    pub(crate) fn local(&self) -> Option<SocketAddr> {
        self.rare.as_deref()?.local
    }

    pub(crate) fn set_local(&mut self, local: Option<SocketAddr>) {
        self.rare().local = local;
    }

    /// Takes out the operation, if it waits.
    pub(crate) fn cancel(&mut self, target: OpId, fault: Fault) -> Option<Completion> {
        if target.kind() == OpKind::Recv {
            return self.recv.take_if(|op| op.id() == target).map(|op| op.failed(fault));
        }
        let rare = self.rare.as_deref_mut()?;
        match target.kind() {
            OpKind::Send => rare.send.take_if(|op| op.id() == target).map(|op| op.failed(fault)),
            OpKind::Connect => rare.connect.take_if(|op| op.id() == target).map(|op| op.failed(fault)),
            OpKind::Accept => {
                let place = rare.accepts.iter().position(|op| op.id() == target)?;
                rare.accepts.remove(place).map(|op| op.failed(fault))
            }
            _ => None,
        }
    }

    /// Takes out one of the operations that wait, whatever it is.
    pub(crate) fn fail(&mut self, error: &io::Error) -> Option<Completion> {
        let fault = |operation| fault_of(error, operation);
        if let Some(op) = self.recv.take() {
            return Some(op.failed(fault(OpKind::Recv)));
        }
        let rare = self.rare.as_deref_mut()?;
        None.or_else(|| rare.send.take().map(|op| op.failed(fault(OpKind::Send))))
            .or_else(|| rare.connect.take().map(|op| op.failed(fault(OpKind::Connect))))
            .or_else(|| rare.accepts.pop_front().map(|op| op.failed(fault(OpKind::Accept))))
    }

    /// The receive waits for what the kernel has to say.
    pub(crate) fn wait_to_receive(&mut self, op: RecvOp) {
        self.recv = Some(op);
    }

    pub(crate) fn waits_to_receive(&self) -> bool {
        self.recv.is_some()
    }

    /// The receive that waits, if one does.
    pub(crate) fn stop_waiting(&mut self) -> Option<RecvOp> {
        self.recv.take()
    }

    /// As much of what came as was asked for; the rest has come early.
    pub(crate) fn keep_rest(&mut self, outcome: Outcome, max: usize) -> Outcome {
        match outcome {
            Outcome::Data(mut data) if data.len() > max => {
                let asked = data.split_to(max);
                self.come_early(Outcome::Data(data));
                Outcome::Data(asked)
            }
            outcome => outcome,
        }
    }

    /// Something came that was not asked for.
    pub(crate) fn come_early(&mut self, outcome: Outcome) {
        self.rare().early.push_back(outcome);
    }

    /// What came first, as far as it fits.
    pub(crate) fn take_early(&mut self, max: usize) -> Option<Outcome> {
        let early = &mut self.rare.as_deref_mut()?.early;
        match early.front_mut()? {
            Outcome::Data(data) if data.len() > max => Some(Outcome::Data(data.split_to(max))),
            _ => early.pop_front(),
        }
    }

    /// How many bytes came that nobody has asked for.
    pub(crate) fn early_bytes(&self) -> usize {
        let early = self.rare.iter().flat_map(|rare| &rare.early);
        early.map(|outcome| if let Outcome::Data(data) = outcome { data.len() } else { 0 }).sum()
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
}
