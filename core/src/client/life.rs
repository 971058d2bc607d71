//! Starting, dialling, draining, stopping.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use super::{Client, ClientReport, Dialling, Orders, Place};
use crate::flight::Flight;
use crate::peer::KeptPeer;
use crate::runtime::RuntimeEvent;
use crate::state::{SupervisorLife, SupervisorLifeEvent as Step, Table};
use crate::{
    CloseOp, CloseReport, Completion, Connected, DialerEvent, Machine, Misuse, MisuseKind, Op, OpId, OpKind, Order, Origin,
    Outcome, Peer, Service, Session, SocketId, Timestamp, Verdict,
};

impl<S: Service> Client<S> {
    pub(super) fn take_gone(&mut self, now: Timestamp, socket: SocketId, report: &CloseReport) -> Result<(), Misuse> {
        // One that is yet to be polled is not out.
        if !matches!(self.place, Place::Live) || socket != self.socket || self.opened.is_some() {
            return Err(Misuse::call(MisuseKind::UnknownSocket, "gone", self.life.name()));
        }
        self.now = now;
        self.report().closed = Some(*report);
        self.free();
        self.pump();
        Ok(())
    }

    /// What is to be reported beside the peer.
    pub(super) fn report(&mut self) -> &mut ClientReport {
        self.report.get_or_insert_default()
    }

    pub(super) fn take_report(&mut self) -> Box<ClientReport> {
        let mut report = self.report.take().unwrap_or_default();
        report.peer = self.peer.as_ref().map(KeptPeer::get);
        report
    }

    /// When a drain is over: a client that is not draining has no such time.
    pub(super) fn drain_deadline(&self) -> Timestamp {
        match &self.orders {
            Some(orders) if self.life == SupervisorLife::Draining => orders.drain_deadline,
            _ => Timestamp::NEVER,
        }
    }

    pub(super) fn begin_drain(&mut self, deadline: Timestamp) {
        if self.life == SupervisorLife::Starting {
            // Nothing is there that could be drained.
            return self.begin_stop();
        }
        let was_draining = self.life == SupervisorLife::Draining;
        self.step(Step::Drain);
        // Of two deadlines that are over, none is earlier.
        if self.life != SupervisorLife::Draining || (was_draining && deadline.max(self.now) >= self.drain_deadline()) {
            return;
        }
        // The earliest deadline wins.
        let deadline = deadline.min(self.drain_deadline());
        self.orders().drain_deadline = deadline;
        self.cease_to_dial();
        self.order(Order::Drain(deadline));
        self.pump();
    }

    pub(super) fn begin_stop(&mut self) {
        let was = self.life;
        self.step(Step::Stop);
        if self.life == SupervisorLife::Stopping && was != SupervisorLife::Stopping {
            self.cease_to_dial();
            self.order(Order::Abort);
        }
        self.pump();
    }

    fn cease_to_dial(&mut self) {
        if let Some(Dialling { dialer, .. }) = self.dialling.as_deref_mut() {
            dialer.cancel(self.now);
        }
    }

    fn order(&mut self, order: Order) {
        if matches!(self.place, Place::Live) {
            let socket = self.socket;
            self.orders().waiting.push_back((socket, order));
        }
    }

    fn orders(&mut self) -> &mut Orders {
        self.orders.get_or_insert_with(|| Box::new(Orders { waiting: VecDeque::new(), drain_deadline: Timestamp::NEVER }))
    }

    /// Takes a transition, and says so if it is the last.
    pub(super) fn step(&mut self, event: Step) {
        let was = self.life;
        self.life.step(event);
        self.stopped |= self.life == SupervisorLife::Stopped && was != SupervisorLife::Stopped;
    }

    /// What is refused changes nothing, not even the time.
    pub(super) fn take_completion(&mut self, now: Timestamp, done: Completion) -> Result<(), Misuse> {
        let id = done.id();
        if self.runtime.owns(id) {
            let event = self.runtime.complete(self.life, id, done.outcome())?;
            self.now = now;
            self.on_runtime(event);
        } else if let Place::Closing(flight) = self.place
            && self.socket == id.socket()
        {
            self.take_disposal(id, flight, done.outcome())?;
            self.now = now;
        } else if let Some(Dialling { dialer, .. }) = self.dialling.as_deref_mut() {
            dialer.complete(now, done)?;
            self.now = now;
        } else {
            return Err(Misuse::completion(MisuseKind::UnknownSocket, id, self.life.name()));
        }
        self.pump();
        Ok(())
    }

    fn on_runtime(&mut self, event: RuntimeEvent) {
        match event {
            RuntimeEvent::Started => self.on_started(),
            RuntimeEvent::NotStarted(fault) => {
                self.report().startup_error = fault;
                self.step(Step::StartFailed);
            }
            RuntimeEvent::Released => self.step(Step::CleanedUp),
        }
    }

    fn on_started(&mut self) {
        self.step(Step::Started);
        // Who was stopped meanwhile has no dialer any more.
        if let Some(Dialling { dialer, .. }) = self.dialling.as_deref_mut() {
            // One that was not started before can be.
            let _ = dialer.start(self.now);
        }
    }

    fn take_disposal(&mut self, id: OpId, flight: Flight, outcome: &Outcome) -> Result<(), Misuse> {
        if id.kind() != OpKind::Close || !flight.expects(id) {
            return Err(Misuse::completion(MisuseKind::NotInFlight, id, self.life.name()));
        }
        if !matches!(outcome, Outcome::Done | Outcome::Failed(_)) {
            return Err(Misuse::completion(MisuseKind::WrongOutcome, id, self.life.name()));
        }
        self.free();
        Ok(())
    }

    /// Takes what the dialer has to say, offers it the place if it is free, and ends if nothing is left.
    pub(super) fn pump(&mut self) {
        while let Some(event) = self.dialling.as_mut().and_then(|dialling| dialling.dialer.next_event()) {
            match event {
                DialerEvent::Connected { address, connected, .. } => self.on_connected(address, connected),
                DialerEvent::Returned { .. } => self.free(),
                DialerEvent::Failed(error) => {
                    self.dialling = None;
                    self.report().dial_error = Some(error);
                }
            }
        }
        if matches!(self.place, Place::Free)
            && let Some(Dialling { dialer, .. }) = self.dialling.as_deref_mut()
            && dialer.wants_slot()
            && dialer.offer(self.now, self.socket).is_ok()
        {
            self.place = Place::Dialer;
        }
        self.settle();
    }

    fn on_connected(&mut self, address: usize, connected: Connected) {
        let Some(connection) = self.dialling.take().map(|dialling| dialling.connection) else { return };
        let peer = Peer { address: connected.peer, local: connected.local, origin: Origin::Dialled { address } };
        self.peer = Some(KeptPeer::new(&peer));
        match self.service.accept(&peer) {
            Verdict::Accept(handler) => {
                let session = Session::new(self.now, self.socket, peer, connection, handler);
                self.opened = Some(Box::new(session));
                self.place = Place::Live;
            }
            Verdict::Reject => {
                self.report().rejected = true;
                self.place = Place::Closing(Flight::Idle);
            }
        }
    }

    /// The socket is gone.
    fn free(&mut self) {
        match self.socket.successor() {
            Some(next) => (self.socket, self.place) = (next, Place::Free),
            None => self.place = Place::UsedUp,
        }
    }

    /// Moves on to the end if nothing is left.
    fn settle(&mut self) {
        let running = matches!(self.life, SupervisorLife::Running | SupervisorLife::Draining | SupervisorLife::Stopping);
        let vacant = matches!(self.place, Place::Free | Place::UsedUp);
        if running && self.dialling.is_none() && vacant && self.runtime.in_flight() == 0 {
            // What was stopped before its startup was even submitted has nothing to release.
            self.step(if self.runtime.is_ready() { Step::Idle } else { Step::StartFailed });
        }
    }

    pub(crate) fn next_operation(&mut self) -> Option<Op> {
        let own = self.runtime.next_operation(self.life);
        own.or_else(|| self.dialling.as_mut()?.dialer.next_operation()).or_else(|| self.next_close())
    }

    fn next_close(&mut self) -> Option<Op> {
        let Place::Closing(flight) = &mut self.place else { return None };
        if !flight.is_idle() {
            return None;
        }
        let id = self.stamps.mint(self.socket, OpKind::Close);
        flight.submit(id);
        Some(Op::Close(CloseOp { id, abortive: true }))
    }
}
