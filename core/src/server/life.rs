//! Starting, draining, stopping.

use super::{Server, ServerEvent};
use crate::state::{ListenerLife, SupervisorLife, SupervisorLifeEvent as Step, Table};
use crate::{Completion, FaultKind, Machine, Misuse, MisuseKind, OpId, OpKind, Order, Outcome, Service, Timestamp};

impl<S: Service> Server<S> {
    pub(super) fn begin_drain(&mut self, deadline: Timestamp) {
        if self.life == SupervisorLife::Starting {
            // Nothing is there that could be drained.
            return self.begin_stop();
        }
        let was_draining = self.life == SupervisorLife::Draining;
        self.step(Step::Drain);
        if self.life != SupervisorLife::Draining || (was_draining && deadline >= self.drain_deadline) {
            return;
        }
        // The earliest deadline wins.
        self.drain_deadline = self.drain_deadline.min(deadline);
        for listener in &mut self.listeners {
            // One that does not listen yet ends at once.
            listener.sweep(self.now);
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
            self.events.push_back(ServerEvent::Stopped(self.report.clone()));
        }
    }

    pub(super) fn take_completion(&mut self, done: Completion) -> Result<(), Misuse> {
        let id = done.id();
        let now = self.now;
        if id.socket() == self.control {
            self.take_own(id, done.outcome())?;
        } else if self.places.expects_close(id) {
            self.take_disposal(id, done.outcome())?;
        } else if let Some(listener) = self.listener_of(id) {
            listener.complete(now, done)?;
        } else {
            return Err(Misuse::completion(MisuseKind::UnknownSocket, id, self.life.name()));
        }
        self.pump();
        Ok(())
    }

    fn listener_of(&mut self, id: OpId) -> Option<&mut crate::Listener> {
        if id.kind() == OpKind::Accept {
            let index = self.places.offered_by(id.socket())?;
            return self.listeners.get_mut(index);
        }
        self.listeners.iter_mut().find(|listener| listener.socket() == id.socket())
    }

    /// Startup and cleanup.
    fn take_own(&mut self, id: OpId, outcome: &Outcome) -> Result<(), Misuse> {
        let kind = if self.life == SupervisorLife::CleaningUp { OpKind::Cleanup } else { OpKind::Startup };
        if id.kind() != kind || !self.flight.expects(id) {
            return Err(Misuse::completion(MisuseKind::NotInFlight, id, self.life.name()));
        }
        let fault = match outcome {
            Outcome::Done => None,
            Outcome::Failed(fault) => Some(*fault),
            _ => return Err(Misuse::completion(MisuseKind::WrongOutcome, id, self.life.name())),
        };
        self.flight.land();
        match (kind, fault) {
            // Nothing can be done about a cleanup that fails.
            (OpKind::Cleanup, _) => self.step(Step::CleanedUp),
            (_, Some(fault)) => {
                if fault.kind() != FaultKind::Cancelled || self.life == SupervisorLife::Starting {
                    self.report.startup_error = Some(fault);
                }
                self.step(Step::StartFailed);
            }
            (_, None) => self.on_started(),
        }
        Ok(())
    }

    fn on_started(&mut self) {
        self.initialised = true;
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

    fn take_disposal(&mut self, id: OpId, outcome: &Outcome) -> Result<(), Misuse> {
        if !matches!(outcome, Outcome::Done | Outcome::Failed(_)) {
            return Err(Misuse::completion(MisuseKind::WrongOutcome, id, self.life.name()));
        }
        self.places.closed(id.socket());
        self.wake_listeners();
        Ok(())
    }

    /// A place is free again: whoever waits for one, or for a descriptor, may go on.
    pub(super) fn freed(&mut self) {
        self.wake_listeners();
        self.pump();
    }

    fn wake_listeners(&mut self) {
        for listener in &mut self.listeners {
            listener.wake(self.now);
        }
    }

    /// Moves on to the end if nothing is left.
    pub(super) fn settle(&mut self) {
        let no_listener = self.listeners.iter().all(|listener| matches!(listener.life(), ListenerLife::Closed));
        let running = matches!(self.life, SupervisorLife::Running | SupervisorLife::Draining | SupervisorLife::Stopping);
        if running && no_listener && self.places.used() == 0 && self.flight.is_idle() {
            self.drain_deadline = Timestamp::NEVER;
            // What was stopped before its startup was even submitted has nothing to release.
            self.step(if self.initialised { Step::Idle } else { Step::StartFailed });
        }
    }
}
