//! Starting, draining, stopping.

use alloc::boxed::Box;

use super::{Server, ServerEvent};
use crate::runtime::RuntimeEvent;
use crate::state::{ListenerLife, SupervisorLife, SupervisorLifeEvent as Step, Table};
use crate::{
    CloseReport, Completion, Listener, Machine, Misuse, MisuseKind, OpId, OpKind, Order, Outcome, Service, SocketId, Timestamp,
};

impl<S: Service> Server<S> {
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
        for listener in &mut self.listeners {
            if self.announced {
                listener.sweep(self.now);
            } else {
                // Nobody was told that it listens.
                listener.stop(self.now);
            }
        }
        self.order_all(Order::Drain(self.drain_deadline));
        self.pump();
    }

    pub(super) fn begin_stop(&mut self) {
        self.drain_deadline = Timestamp::NEVER;
        let was = self.life;
        self.step(Step::Stop);
        if self.life == SupervisorLife::Stopping && was != SupervisorLife::Stopping {
            for listener in &mut self.listeners {
                listener.stop(self.now);
            }
            self.report.forced |= self.places.live() > 0;
            self.order_all(Order::Abort);
        }
        self.pump();
    }

    fn order_all(&mut self, order: Order) {
        for socket in self.places.live_sockets() {
            self.events.push_back(ServerEvent::Order { socket, order });
        }
    }

    /// Takes a transition, and says so if it is the last.
    pub(super) fn step(&mut self, event: Step) {
        let was = self.life;
        self.life.step(event);
        if self.life == SupervisorLife::Stopped && was != SupervisorLife::Stopped {
            self.events.push_back(ServerEvent::Stopped(Box::new(self.report.clone())));
        }
    }

    pub(super) fn take_completion(&mut self, now: Timestamp, done: Completion) -> Result<(), Misuse> {
        let id = done.id();
        // Each of these validates before it changes anything, and the time counts only if it was valid.
        if self.runtime.owns(id) {
            let event = self.runtime.complete(self.life, id, done.outcome())?;
            self.tick(now);
            self.on_runtime(event);
        } else if self.places.expects_close(id) {
            self.check_disposal(id, done.outcome())?;
            self.tick(now);
            self.places.closed(id.socket());
            self.wake_listeners();
        } else if let Some(listener) = self.listener_of(id) {
            listener.complete(now, done)?;
            self.tick(now);
        } else {
            return Err(Misuse::completion(MisuseKind::UnknownSocket, id, self.life.name()));
        }
        self.pump();
        Ok(())
    }

    fn listener_of(&mut self, id: OpId) -> Option<&mut Listener> {
        if id.kind() == OpKind::Accept {
            let index = self.places.offered_by(id.socket())?;
            return self.listeners.get_mut(index);
        }
        self.listeners.iter_mut().find(|listener| listener.socket() == id.socket())
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
        for listener in &mut self.listeners {
            if self.life == SupervisorLife::Running {
                // A listener that was not started before can be.
                let _ = listener.start(self.now);
            } else {
                listener.stop(self.now);
            }
        }
    }

    fn check_disposal(&self, id: OpId, outcome: &Outcome) -> Result<(), Misuse> {
        match outcome {
            Outcome::Done | Outcome::Failed(_) => Ok(()),
            _ => Err(Misuse::completion(MisuseKind::WrongOutcome, id, self.life.name())),
        }
    }

    /// True if a session of this name was handed out: one that waits to be polled was not.
    pub(super) fn is_out(&self, socket: SocketId) -> bool {
        let waits =
            |event: &ServerEvent<S::Handler>| matches!(event, ServerEvent::Opened { socket: opened, .. } if *opened == socket);
        self.places.is_live(socket) && !self.events.iter().any(waits)
    }

    /// A session has ended.
    pub(super) fn take_gone(&mut self, socket: SocketId, report: &CloseReport) {
        self.report.count(report);
        self.places.end_live(socket);
        // Nobody is there to obey.
        self.events.retain(|event| !matches!(event, ServerEvent::Order { socket: ordered, .. } if *ordered == socket));
        self.wake_listeners();
        self.pump();
    }

    /// A socket is gone: whoever waits for a descriptor may go on.
    fn wake_listeners(&mut self) {
        for listener in &mut self.listeners {
            listener.wake(self.now);
        }
    }

    /// Moves on to the end if nothing is left.
    pub(super) fn settle(&mut self) {
        let running = matches!(self.life, SupervisorLife::Running | SupervisorLife::Draining | SupervisorLife::Stopping);
        if running && self.listeners_are_closed() && self.places.used() == 0 && self.runtime.in_flight() == 0 {
            self.drain_deadline = Timestamp::NEVER;
            // What was stopped before its startup was even submitted has nothing to release.
            self.step(if self.runtime.is_ready() { Step::Idle } else { Step::StartFailed });
        }
    }

    pub(super) fn listeners_are_closed(&self) -> bool {
        self.listeners.iter().all(|listener| listener.life() == ListenerLife::Closed)
    }
}
