//! What listeners report, and the gate.

use alloc::boxed::Box;

use super::{Server, ServerEvent};
use crate::state::{ListenerLife, SupervisorLife};
use crate::{Connected, Listener, ListenerEvent, ListenerReport, Order, Origin, Peer, Service, Session, SocketId, Verdict};

impl<S: Service> Server<S> {
    /// Takes what the listeners have to say, offers them the places that are free, and ends if nothing is left.
    pub(super) fn pump(&mut self) {
        for index in 0..self.listeners.len() {
            while let Some(event) = self.listeners.get_mut(index).and_then(Listener::next_event) {
                self.on_listener(index, event);
            }
        }
        let faults = self.listeners.iter().map(|listener| listener.report().accept_faults());
        self.report.accept_faults = faults.fold(0, u64::saturating_add);
        self.open();
        self.offer_places();
        self.settle();
    }

    fn on_listener(&mut self, listener: usize, event: ListenerEvent) {
        match event {
            // Said once all listen.
            ListenerEvent::Listening { .. } => {}
            ListenerEvent::OptionsRefused { refused } => self.events.push_back(ServerEvent::OptionsRefused { listener, refused }),
            ListenerEvent::Accepted { slot, connected } => self.on_accepted(listener, slot, connected),
            ListenerEvent::Unwanted { slot } => {
                self.report.accepted = self.report.accepted.saturating_add(1);
                self.reject(slot);
            }
            ListenerEvent::Returned { slot } => self.places.give_back(slot),
            ListenerEvent::Exhausted { fault } => self.events.push_back(ServerEvent::Exhausted { listener, fault }),
            ListenerEvent::Recovered { failures } => self.events.push_back(ServerEvent::Recovered { listener, failures }),
            ListenerEvent::Closed(report) => self.on_listener_closed(listener, &report),
        }
    }

    /// All or nothing: a listener is not announced, and does not accept, before every one listens. If one cannot, the others still
    /// get as far as they can before all are closed, so that the report lists every error and not just the first.
    fn open(&mut self) {
        if self.announced || self.life != SupervisorLife::Running {
            return;
        }
        let count = |life| self.listeners.iter().filter(|listener| listener.life() == life).count();
        let listening = count(ListenerLife::Listening);
        if listening == self.listeners.len() {
            self.announced = true;
            for (index, listener) in self.listeners.iter().enumerate() {
                let local = listener.report().local;
                self.events.push_back(ServerEvent::Listening { listener: index, local });
            }
        } else if listening.saturating_add(count(ListenerLife::Closed)) == self.listeners.len() {
            for listener in &mut self.listeners {
                listener.stop(self.now);
            }
        }
    }

    fn on_accepted(&mut self, listener: usize, socket: SocketId, connected: Connected) {
        self.report.accepted = self.report.accepted.saturating_add(1);
        let peer = Peer { address: connected.peer, local: connected.local, origin: Origin::Accepted { listener } };
        match self.service.accept(&peer) {
            Verdict::Accept(handler) => {
                let session = Box::new(Session::new(self.now, socket, peer, self.connection.clone(), handler));
                self.places.begin_live(socket);
                self.events.push_back(ServerEvent::Opened { socket, peer, session });
                if self.life == SupervisorLife::Draining {
                    self.events.push_back(ServerEvent::Order { socket, order: Order::Drain(self.drain_deadline) });
                }
            }
            Verdict::Reject => self.reject(socket),
        }
    }

    fn reject(&mut self, socket: SocketId) {
        self.report.rejected = self.report.rejected.saturating_add(1);
        self.places.dispose(socket);
    }

    fn on_listener_closed(&mut self, listener: usize, report: &ListenerReport) {
        let Some(error) = report.error else { return };
        self.report.listen_errors.push(error);
        if self.announced {
            self.events.push_back(ServerEvent::ListenerLost { listener, error });
        }
    }

    /// Every reason for not accepting is a state that is asked for here, so none can be forgotten: the server's life, a listener's
    /// life and back-off, and the number of places.
    fn offer_places(&mut self) {
        if !self.announced {
            return;
        }
        // One to each in turn, so that all get some of what there is.
        let mut offered = true;
        while offered {
            offered = false;
            let (first, count) = (self.turn, self.listeners.len());
            for step in 0..count {
                offered |= self.offer_place(first.saturating_add(step).checked_rem(count).unwrap_or(0));
            }
        }
    }

    /// True if the listener got a place.
    fn offer_place(&mut self, index: usize) -> bool {
        let Some(listener) = self.listeners.get_mut(index).filter(|listener| listener.wants_slot()) else { return false };
        let Some(slot) = self.places.offer(index) else {
            // If every place is taken by a session, nobody can be served: what is queued will see a reset rather than wait for nothing.
            if !self.places.will_have_free() {
                listener.end_sweep(self.now);
            }
            return false;
        };
        if listener.offer(self.now, slot).is_err() {
            self.places.give_back(slot);
            return false;
        }
        self.turn = index.saturating_add(1).checked_rem(self.listeners.len()).unwrap_or(0);
        true
    }
}
