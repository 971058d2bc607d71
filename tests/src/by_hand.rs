//! A machine driven by hand, in virtual time: what tests that read like documentation are written with.
//!
//! The test is the transport, the clock and the application. Each input is followed by polling until there is nothing more, so what
//! is in flight and what has happened is always up to date. An operation that a test completes must be in flight.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sansock::{
    CloseOp, CloseReport, Completion, Connection, ConnectionConfig, ConnectionEvent, Fault, FaultKind, Handler, Machine, Op,
    OpId, OpKind, Origin, Output, Peer, RecvOp, SendOp, Session, SessionEvent, ShutdownOp, SocketId, Stream, Timestamp, Unsent,
};

/// A machine with one socket, and the operations that it has in flight.
pub struct ByHand<M: Machine> {
    /// The machine, for what is not wrapped here.
    pub machine: M,
    /// What is handed in as the time.
    pub now: Timestamp,
    recv: Option<RecvOp>,
    send: Option<SendOp>,
    shutdown: Option<ShutdownOp>,
    close: Option<CloseOp>,
    cancelled: Vec<OpId>,
    events: Vec<M::Event>,
}

/// The socket of every machine that is driven by hand.
///
/// # Panics
/// Never: the slot is in range.
#[must_use]
pub fn socket() -> SocketId {
    SocketId::new(7, 3).expect("slot 7 is in range")
}

impl ByHand<Connection> {
    /// A connection, opened at time zero, polled.
    #[must_use]
    pub fn connection(config: ConnectionConfig) -> Self {
        Self::over(Connection::new(Timestamp::ZERO, socket(), Arc::new(config)))
    }

    /// The application sends.
    ///
    /// # Errors
    /// Those of [`Stream::send`].
    pub fn send(&mut self, data: impl Into<Bytes>) -> Result<(), Unsent> {
        let (now, data) = (self.now, data.into());
        self.input(|machine| machine.send(now, data))
    }

    /// The application calls something else.
    pub fn call(&mut self, call: impl FnOnce(&mut Connection, Timestamp)) {
        let now = self.now;
        self.input(|machine| call(machine, now));
    }

    /// The last event, which must be there, and the only one.
    ///
    /// # Panics
    /// It is not so.
    pub fn report(&mut self) -> CloseReport {
        match self.events().as_slice() {
            [ConnectionEvent::Closed(report)] => *report,
            events => panic!("not one closing event: {events:?}"),
        }
    }
}

impl<H: Handler> ByHand<Session<H>> {
    /// A session, opened at time zero, polled.
    #[must_use]
    pub fn session(config: ConnectionConfig, handler: H) -> Self {
        let peer = Peer { address: None, local: None, origin: Origin::Accepted { listener: 0 } };
        let mut session = Session::new(Timestamp::ZERO, socket(), peer, Arc::new(config), handler);
        session.open(Timestamp::ZERO);
        Self::over(session)
    }

    /// The last event, which must be there, and the only one.
    ///
    /// # Panics
    /// It is not so.
    pub fn report(&mut self) -> CloseReport {
        match self.events().as_slice() {
            [SessionEvent::Closed(report)] => *report,
            events => panic!("{} events, not one closing event", events.len()),
        }
    }
}

impl<M: Machine> ByHand<M> {
    /// Takes over a machine at time zero.
    #[must_use]
    pub fn over(machine: M) -> Self {
        let now = Timestamp::ZERO;
        let (recv, send, shutdown, close) = (None, None, None, None);
        let mut by_hand = Self { machine, now, recv, send, shutdown, close, cancelled: Vec::new(), events: Vec::new() };
        by_hand.poll();
        by_hand
    }

    /// Any input, then polling.
    pub fn input<R>(&mut self, input: impl FnOnce(&mut M) -> R) -> R {
        let answer = input(&mut self.machine);
        self.poll();
        answer
    }

    /// Polls until there is nothing more.
    ///
    /// # Panics
    /// The machine submits what a single connected socket does not need, or a second operation of a kind.
    pub fn poll(&mut self) {
        while let Some(output) = self.machine.poll() {
            let before = match output {
                Output::Event(event) => {
                    self.events.push(event);
                    continue;
                }
                Output::Submit(Op::Cancel(cancel)) => {
                    self.cancelled.push(cancel.target());
                    continue;
                }
                Output::Submit(Op::Recv(op)) => self.recv.replace(op).map(|op| op.id()),
                Output::Submit(Op::Send(op)) => self.send.replace(op).map(|op| op.id()),
                Output::Submit(Op::Shutdown(op)) => self.shutdown.replace(op).map(|op| op.id()),
                Output::Submit(Op::Close(op)) => self.close.replace(op).map(|op| op.id()),
                Output::Submit(op) => panic!("unexpected: {op:?}"),
            };
            assert_eq!(before, None, "two operations of a kind in flight");
        }
    }

    /// Time passes, then time-outs are handled.
    pub fn pass(&mut self, span: Duration) {
        self.now = self.now + span;
        let now = self.now;
        self.input(|machine| machine.handle_timeout(now));
    }

    /// Time passes up to the next deadline, which is then handled; how long that took.
    ///
    /// # Panics
    /// There is no deadline.
    pub fn pass_to_deadline(&mut self) -> Duration {
        let span = self.machine.deadline().expect("a deadline").saturating_since(self.now);
        self.pass(span);
        span
    }

    /// How long it is until the next deadline.
    pub fn until_deadline(&self) -> Option<Duration> {
        self.machine.deadline().map(|deadline| deadline.saturating_since(self.now))
    }

    /// What has happened since this was asked last.
    pub fn events(&mut self) -> Vec<M::Event> {
        std::mem::take(&mut self.events)
    }

    /// What has happened since this was asked last, in place of what is in `events`.
    pub fn swap_events(&mut self, events: &mut Vec<M::Event>) {
        events.clear();
        std::mem::swap(&mut self.events, events);
    }

    /// The operations in flight, receive first.
    pub fn in_flight(&self) -> Vec<OpKind> {
        let ids = [self.recv.as_ref().map(RecvOp::id), self.send.as_ref().map(SendOp::id)];
        let last = [self.shutdown.as_ref().map(ShutdownOp::id), self.close.as_ref().map(CloseOp::id)];
        ids.into_iter().chain(last).flatten().map(OpId::kind).collect()
    }

    /// The receive in flight.
    ///
    /// # Panics
    /// There is none.
    pub fn recv(&self) -> &RecvOp {
        self.recv.as_ref().expect("a receive in flight")
    }

    /// The send in flight.
    ///
    /// # Panics
    /// There is none.
    pub fn sending(&self) -> &SendOp {
        self.send.as_ref().expect("a send in flight")
    }

    /// The close in flight.
    ///
    /// # Panics
    /// There is none.
    pub fn close(&self) -> &CloseOp {
        self.close.as_ref().expect("a close in flight")
    }

    /// The kinds of operation that were cancelled and have not completed.
    pub fn cancelled(&self) -> Vec<OpKind> {
        self.cancelled.iter().map(|id| id.kind()).collect()
    }

    /// Takes the receive out of the transport's hands, to complete it without polling.
    ///
    /// # Panics
    /// There is none.
    pub fn take_recv(&mut self) -> RecvOp {
        self.recv.take().expect("a receive in flight")
    }

    /// Takes the send out of the transport's hands, to complete it without polling.
    ///
    /// # Panics
    /// There is none.
    pub fn take_send(&mut self) -> SendOp {
        self.send.take().expect("a send in flight")
    }

    /// The receive comes to these bytes.
    pub fn receive(&mut self, data: impl Into<Bytes>) {
        let op = self.take_recv();
        self.complete(op.data(data.into()));
    }

    /// The receive comes to the peer's FIN.
    pub fn receive_eof(&mut self) {
        let op = self.take_recv();
        self.complete(op.eof());
    }

    /// The transport takes so many bytes of the send.
    pub fn sent(&mut self, count: usize) {
        let op = self.take_send();
        self.complete(op.sent(count));
    }

    /// The transport takes all that the send asks for; gives what it was.
    pub fn sent_all(&mut self) -> Vec<u8> {
        let bytes: Vec<u8> = self.sending().chunks().concat();
        self.sent(bytes.len());
        bytes
    }

    /// Our FIN is sent.
    pub fn shutdown_done(&mut self) {
        let op = self.shutdown.take().expect("a shutdown in flight");
        self.complete(op.done());
    }

    /// The socket is closed.
    pub fn close_done(&mut self) {
        let op = self.close.take().expect("a close in flight");
        self.complete(op.done());
    }

    /// The operation of this kind fails.
    pub fn fail(&mut self, kind: OpKind, fault: FaultKind) {
        let fault = Fault::new(fault);
        let done = match kind {
            OpKind::Recv => self.recv.take().map(|op| op.failed(fault)),
            OpKind::Send => self.send.take().map(|op| op.failed(fault)),
            OpKind::Shutdown => self.shutdown.take().map(|op| op.failed(fault)),
            _ => self.close.take().map(|op| op.failed(fault)),
        };
        self.complete(done.expect("an operation of this kind in flight"));
    }

    /// Everything that was cancelled completes as cancelled.
    pub fn complete_cancelled(&mut self) {
        for kind in self.cancelled() {
            self.fail(kind, FaultKind::Cancelled);
        }
    }

    /// A completion that the machine must take.
    fn complete(&mut self, done: Completion) {
        let now = self.now;
        self.cancelled.retain(|id| *id != done.id());
        self.input(|machine| machine.complete(now, done)).expect("a legal completion");
    }
}
