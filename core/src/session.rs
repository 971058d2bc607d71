//! A connection together with its handler.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use crate::connection::Signal;
use crate::context::{Mail, Scope, SessionTimers};
use crate::peer::KeptPeer;
use crate::state::Life;
use crate::{
    Canonical, CloseReason, CloseReport, Completion, Connection, ConnectionConfig, Context, Fault, Handler, Machine, Misuse, Op,
    OpId, Outcome, Output, Peer, SocketId, Stream, TimerId, Timestamp, encode,
};

/// A connection and the handler that it belongs to, as one machine.
///
/// Whoever owns the session (a thread, a task, a node) calls [`Session::open`] once, drives it, and tells the supervisor when it is
/// gone. Callbacks run inside the mutators, never inside `poll`.
#[derive(Clone)]
pub struct Session<H: Handler> {
    connection: Connection,
    handler: H,
    peer: KeptPeer,
    timers: SessionTimers,
    mail: Mail<H::Message>,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// The handler has not seen it yet.
    New,
    Open,
    /// The handler was told of the drain.
    Draining,
    /// The handler was told of the end, and the owner was not.
    Ended,
    /// So was the owner.
    Closed,
}

impl<H: Handler> fmt::Debug for Session<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("connection", &self.connection).field("phase", &self.phase).finish_non_exhaustive()
    }
}

/// What a session tells its owner.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SessionEvent<M> {
    /// The handler posted a message to another session: [`Session::deliver`] it there, or give it back with [`Session::undelivered`].
    Post {
        /// To whom.
        to: SocketId,
        /// What.
        message: M,
    },
    /// The socket is gone, and the handler knows. Always the last event; the owner passes the report on to the supervisor.
    Closed(CloseReport),
}

/// What a supervisor tells a session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Order {
    /// Finish, and be gone by this time.
    Drain(Timestamp),
    /// Be gone now.
    Abort,
}

impl<H: Handler> Session<H> {
    /// A session over a socket that is connected. The handler sees nothing of it before [`Session::open`].
    #[must_use]
    #[inline]
    pub fn new(now: Timestamp, socket: SocketId, peer: Peer, config: Arc<ConnectionConfig>, handler: H) -> Self {
        let peer = KeptPeer::new(&peer);
        let connection = Connection::new(now, socket, config);
        Self { connection, handler, peer, timers: SessionTimers::default(), mail: Mail::NONE, phase: Phase::New }
    }

    /// Tells the handler that the connection is there. Every other mutator does so first if it was not done; a second call does nothing.
    pub fn open(&mut self, now: Timestamp) {
        self.connection.tick(now);
        if self.phase == Phase::New {
            self.phase = Phase::Open;
            self.call(|handler, cx| handler.on_open(cx));
            self.dispatch();
        }
    }

    /// Carries out what the supervisor wants.
    pub fn order(&mut self, now: Timestamp, order: Order) {
        self.open(now);
        match order {
            Order::Drain(deadline) => {
                self.connection.drain_by(self.connection.now(), deadline);
                if self.phase == Phase::Open {
                    self.phase = Phase::Draining;
                    if self.connection.life() == Life::Open {
                        self.call(|handler, cx| handler.on_draining(cx));
                    }
                }
            }
            Order::Abort => self.connection.abort_with(self.connection.now(), CloseReason::Ordered),
        }
        self.dispatch();
    }

    /// Delivers a message to the handler.
    ///
    /// # Errors
    /// The connection is gone: the message comes back.
    pub fn deliver(&mut self, now: Timestamp, message: H::Message) -> Result<(), H::Message> {
        self.open(now);
        if self.is_over() {
            return Err(message);
        }
        self.call(|handler, cx| handler.on_message(cx, message));
        self.dispatch();
        Ok(())
    }

    /// Gives a message back that the handler posted: its addressee is gone or takes no more.
    pub fn undelivered(&mut self, now: Timestamp, to: SocketId, message: H::Message) {
        self.open(now);
        if !self.is_over() {
            self.call(|handler, cx| handler.on_undelivered(cx, to, message));
            self.dispatch();
        }
    }

    /// How many messages may wait for this session: [`ConnectionConfig::mailbox`].
    #[must_use]
    pub fn mailbox(&self) -> usize {
        self.connection.config().mailbox
    }

    /// The session's socket.
    #[must_use]
    pub const fn socket(&self) -> SocketId {
        self.connection.socket()
    }

    /// The other end.
    #[must_use]
    pub fn peer(&self) -> Peer {
        self.peer.get()
    }

    /// The handler.
    #[must_use]
    pub const fn handler(&self) -> &H {
        &self.handler
    }

    /// The connection.
    #[must_use]
    pub const fn connection(&self) -> &Connection {
        &self.connection
    }

    #[inline(never)]
    pub(crate) fn next_event(&mut self) -> Option<SessionEvent<H::Message>> {
        if let Some((to, message)) = self.mail.pop() {
            return Some(SessionEvent::Post { to, message });
        }
        if self.phase != Phase::Ended {
            return None;
        }
        self.phase = Phase::Closed;
        Some(SessionEvent::Closed(self.connection.report()))
    }

    /// True if an event waits to be polled.
    #[inline]
    pub(crate) fn has_events(&self) -> bool {
        self.phase == Phase::Ended || self.has_mail()
    }

    /// The deadline, or never.
    #[inline]
    pub(crate) fn due(&self) -> Timestamp {
        self.connection.due().min(self.timers.earliest())
    }

    /// True if the next event is a message to another session.
    #[inline]
    pub(crate) fn has_mail(&self) -> bool {
        self.mail.len() > 0
    }

    #[inline(always)]
    pub(crate) fn next_operation<T>(&mut self, wrap: impl Fn(Op) -> T) -> Option<T> {
        if self.phase == Phase::New { None } else { self.connection.next_operation(wrap) }
    }

    /// The receive in flight brought these bytes.
    #[inline(always)]
    fn receive(&mut self, now: Timestamp, data: Bytes) {
        let Some(data) = self.connection.received(now, data) else { return };
        if self.connection.withholds() {
            self.connection.put_down(data);
        } else {
            self.connection.delivered(data.len());
            self.call(|handler, cx| handler.on_data(cx, data));
        }
    }

    /// What does not come with every message; apart, so that what does has less to keep.
    #[inline(never)]
    fn take_rare(&mut self, now: Timestamp, id: OpId, outcome: Outcome) -> Result<(), Misuse> {
        self.connection.take_rare(now, id, &outcome)?;
        self.dispatch();
        Ok(())
    }

    /// Hands what has happened to the handler. Each event is taken out before the handler sees it, so this ends.
    #[inline(never)]
    fn dispatch(&mut self) {
        loop {
            if let Some(data) = self.connection.take_data() {
                self.call(|handler, cx| handler.on_data(cx, data));
                continue;
            }
            match self.connection.take_signal() {
                Some(Signal::PeerFinished) => self.call(|handler, cx| handler.on_peer_finished(cx)),
                Some(Signal::Writable) => self.call(|handler, cx| handler.on_writable(cx)),
                Some(Signal::Closed) => {
                    self.phase = Phase::Ended;
                    self.timers = SessionTimers::default();
                    self.handler.on_closed(&self.connection.report());
                }
                None => return,
            }
        }
    }

    /// The handler hears of nothing more.
    fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Ended | Phase::Closed)
    }

    fn call(&mut self, callback: impl FnOnce(&mut H, &mut Context<'_, H::Message>)) {
        let scope = Scope {
            now: self.connection.now(),
            socket: self.connection.socket(),
            mailbox: self.connection.config().mailbox,
            peer: &self.peer,
            timers: &mut self.timers,
            mail: &mut self.mail,
        };
        callback(&mut self.handler, &mut Context::new(&mut self.connection, scope));
    }

    /// Fires the timers that are due, each at most once: one that is set again to a time that is due waits for the next call.
    fn fire_timers(&mut self) {
        for timer in TimerId::ALL {
            if self.timers.at(timer).is_due(self.connection.now()) {
                self.timers.set(timer, Timestamp::NEVER);
                self.call(|handler, cx| handler.on_timer(cx, timer));
                self.dispatch();
            }
        }
    }
}

impl<H: Handler> Machine for Session<H> {
    type Event = SessionEvent<H::Message>;

    fn poll(&mut self) -> Option<Output<Self::Event>> {
        if self.has_events() {
            return self.next_event().map(Output::Event);
        }
        self.next_operation(Output::Submit)
    }

    fn complete(&mut self, now: Timestamp, done: Completion) -> Result<(), Misuse> {
        // Before the session is open nothing is in flight, so whatever comes is refused.
        let (id, outcome) = done.into_parts();
        match outcome {
            // First what comes with every message.
            Outcome::Sent(count) if self.connection.expects_sent(id) => self.connection.sent(now, count),
            Outcome::Data(data) if self.connection.expects_data(id) => self.receive(now, data),
            outcome => return self.take_rare(now, id, outcome),
        }
        if self.connection.has_news() {
            self.dispatch();
        }
        Ok(())
    }

    fn broken(&mut self, now: Timestamp, socket: SocketId, fault: Fault) {
        self.open(now);
        self.connection.broken(self.connection.now(), socket, fault);
        self.dispatch();
    }

    fn handle_timeout(&mut self, now: Timestamp) {
        self.open(now);
        self.connection.handle_timeout(self.connection.now());
        self.dispatch();
        self.fire_timers();
    }

    fn deadline(&self) -> Option<Timestamp> {
        self.due().as_deadline()
    }

    fn in_flight(&self) -> usize {
        self.connection.in_flight()
    }
}

/// The connection, the handler, the handler's timers relative to `now`, and how much mail waits.
impl<H: Handler + Canonical> Canonical for Session<H> {
    fn canonical(&self, now: Timestamp, out: &mut Vec<u8>) {
        let now = now.max(self.connection.now());
        self.connection.canonical(now, out);
        self.handler.canonical(now, out);
        for timer in TimerId::ALL {
            encode::deadline(out, self.timers.at(timer), now);
        }
        encode::length(out, self.mail.len());
        encode::byte(
            out,
            match self.phase {
                Phase::New => 0,
                Phase::Open => 1,
                Phase::Draining => 2,
                Phase::Ended | Phase::Closed => 3,
            },
        );
        encode::flag(out, self.phase == Phase::Ended);
    }
}
