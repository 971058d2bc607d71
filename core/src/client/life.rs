//! Starting, dialling, draining, stopping.

use alloc::boxed::Box;

use super::{Client, ClientEvent, Place};
use crate::flight::Flight;
use crate::runtime::RuntimeEvent;
use crate::state::{SupervisorLife, SupervisorLifeEvent as Step, Table};
use crate::{
    CloseOp, CloseReport, Completion, Connected, DialerEvent, Machine, Misuse, MisuseKind, Op, OpId, OpKind, Order, Origin,
    Outcome, Peer, Service, Session, SocketId, Timestamp, Verdict,
};

impl<S: Service> Client<S> {
    pub(super) fn take_gone(&mut self, now: Timestamp, socket: SocketId, report: &CloseReport) -> Result<(), Misuse> {
        if !matches!(self.place, Place::Live(live) if live == socket) || self.is_yet_to_be_polled(socket) {
            return Err(Misuse::call(MisuseKind::UnknownSocket, "gone", self.life.name()));
        }
        self.now = now;
        self.report.closed = Some(*report);
        self.free(socket);
        self.pump();
        Ok(())
    }

    fn is_yet_to_be_polled(&self, session: SocketId) -> bool {
        self.events.iter().any(|event| matches!(event, ClientEvent::Opened { socket, .. } if *socket == session))
    }

    pub(super) fn begin_drain(&mut self, deadline: Timestamp) {
        if self.life == SupervisorLife::Starting {
            // Nothing is there that could be drained.
            return self.begin_stop();
        }
        let was_draining = self.life == SupervisorLife::Draining;
        self.step(Step::Drain);
        // Of two deadlines that are over, none is earlier.
        if self.life != SupervisorLife::Draining || (was_draining && deadline.max(self.now) >= self.drain_deadline) {
            return;
        }
        // The earliest deadline wins.
        self.drain_deadline = self.drain_deadline.min(deadline);
        self.cease_to_dial();
        self.order(Order::Drain(self.drain_deadline));
        self.pump();
    }

    pub(super) fn begin_stop(&mut self) {
        self.drain_deadline = Timestamp::NEVER;
        let was = self.life;
        self.step(Step::Stop);
        if self.life == SupervisorLife::Stopping && was != SupervisorLife::Stopping {
            self.cease_to_dial();
            self.order(Order::Abort);
        }
        self.pump();
    }

    fn cease_to_dial(&mut self) {
        if let Some(dialer) = &mut self.dialer {
            dialer.cancel(self.now);
        }
    }

    fn order(&mut self, order: Order) {
        if let Place::Live(socket) = self.place {
            self.events.push_back(ClientEvent::Order { socket, order });
        }
    }

    /// Takes a transition, and says so if it is the last.
    pub(super) fn step(&mut self, event: Step) {
        let was = self.life;
        self.life.step(event);
        if self.life == SupervisorLife::Stopped && was != SupervisorLife::Stopped {
            self.events.push_back(ClientEvent::Stopped(Box::new(self.report.clone())));
        }
    }

    /// What is refused changes nothing, not even the time.
    pub(super) fn take_completion(&mut self, now: Timestamp, done: Completion) -> Result<(), Misuse> {
        let id = done.id();
        if self.runtime.owns(id) {
            let event = self.runtime.complete(self.life, id, done.outcome())?;
            self.now = now;
            self.on_runtime(event);
        } else if let Place::Closing(socket, flight) = self.place
            && socket == id.socket()
        {
            self.take_disposal(id, flight, done.outcome())?;
            self.now = now;
        } else if let Some(dialer) = &mut self.dialer {
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
                self.report.startup_error = fault;
                self.step(Step::StartFailed);
            }
            RuntimeEvent::Released => self.step(Step::CleanedUp),
        }
    }

    fn on_started(&mut self) {
        self.step(Step::Started);
        // Who was stopped meanwhile has no dialer any more.
        if let Some(dialer) = &mut self.dialer {
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
        self.free(id.socket());
        Ok(())
    }

    /// Takes what the dialer has to say, offers it the place if it is free, and ends if nothing is left.
    pub(super) fn pump(&mut self) {
        while let Some(event) = self.dialer.as_mut().and_then(|dialer| dialer.next_event()) {
            match event {
                DialerEvent::Connected { slot, address, connected } => {
                    self.dialer = None;
                    self.on_connected(slot, address, connected);
                }
                DialerEvent::Returned { slot } => self.free(slot),
                DialerEvent::Failed(error) => {
                    self.dialer = None;
                    self.report.dial_error = Some(error);
                }
            }
        }
        if let Some(dialer) = &mut self.dialer
            && dialer.wants_slot()
            && let Some(name) = self.name
            && dialer.offer(self.now, name).is_ok()
        {
            self.name = None;
        }
        self.settle();
    }

    fn on_connected(&mut self, socket: SocketId, address: usize, connected: Connected) {
        let peer = Peer { address: connected.peer, local: connected.local, origin: Origin::Dialled { address } };
        self.report.peer = Some(peer);
        match self.service.accept(&peer) {
            Verdict::Accept(handler) => {
                let session = Box::new(Session::new(self.now, socket, peer, self.connection.clone(), handler));
                self.place = Place::Live(socket);
                self.events.push_back(ClientEvent::Opened { socket, peer, session });
            }
            Verdict::Reject => {
                self.report.rejected = true;
                self.place = Place::Closing(socket, Flight::Idle);
            }
        }
    }

    fn free(&mut self, socket: SocketId) {
        self.place = Place::Dialer;
        self.name = socket.successor();
    }

    /// Moves on to the end if nothing is left.
    fn settle(&mut self) {
        let running = matches!(self.life, SupervisorLife::Running | SupervisorLife::Draining | SupervisorLife::Stopping);
        if running && self.dialer.is_none() && matches!(self.place, Place::Dialer) && self.runtime.in_flight() == 0 {
            self.drain_deadline = Timestamp::NEVER;
            // What was stopped before its startup was even submitted has nothing to release.
            self.step(if self.runtime.is_ready() { Step::Idle } else { Step::StartFailed });
        }
    }

    pub(crate) fn next_operation(&mut self) -> Option<Op> {
        let own = self.runtime.next_operation(self.life);
        own.or_else(|| self.dialer.as_mut()?.next_operation()).or_else(|| self.next_close())
    }

    fn next_close(&mut self) -> Option<Op> {
        let Place::Closing(socket, flight) = &mut self.place else { return None };
        if !flight.is_idle() {
            return None;
        }
        let id = self.stamps.mint(*socket, OpKind::Close);
        flight.submit(id);
        Some(Op::Close(CloseOp { id, abortive: true }))
    }
}
