//! Accepting: offers, and what to do when it fails.

use super::{Listener, ListenerEvent, Offer};
use crate::flight::Flight;
use crate::state::{ListenerLife, ListenerLifeEvent as Step};
use crate::{AcceptClass, Connected, Fault, FaultKind, Misuse, OpKind, Outcome, SocketId, Timestamp};

/// So many faults in a row that are about single connections count as one that something has run out: a retry at once is fair
/// for one connection, and a spin if every accept fails.
const STREAK_LIMIT: u8 = 16;

impl Listener {
    /// True if the listener could accept one more connection now: it is listening, not backing off, and has fewer offers in use than
    /// [`ListenerConfig::accepts`](crate::ListenerConfig::accepts). A sweep takes one after another, since the first that finds nobody ends
    /// it.
    #[must_use]
    pub fn wants_slot(&self) -> bool {
        let most = if self.life == ListenerLife::Sweeping { 1 } else { self.config.accepts };
        self.is_accepting() && self.offers.len() < most && !self.is_backing_off()
    }

    /// Offers a place: the name of a socket that does not exist yet.
    ///
    /// # Errors
    /// [`Misuse`] unless [`Listener::wants_slot`]; the name stays the caller's.
    pub fn offer(&mut self, now: Timestamp, slot: SocketId) -> Result<(), Misuse> {
        if !self.wants_slot() {
            return Err(self.misuse("offer a slot"));
        }
        self.tick(now);
        self.offers.push(Offer { slot, flight: Flight::Idle, waits: false });
        Ok(())
    }

    /// Tries to accept again at once if it is backing off: something may be free again, since a socket of the owner's has gone.
    pub fn wake(&mut self, now: Timestamp) {
        self.tick(now);
        self.retry = Timestamp::NEVER;
    }

    /// Gives back the offers for which no accept is in flight.
    pub(super) fn return_unused(&mut self) {
        let events = &mut self.events;
        self.offers.retain(|offer| {
            let used = !offer.flight.is_idle();
            if !used {
                events.push_back(ListenerEvent::Returned { slot: offer.slot });
            }
            used
        });
    }

    pub(super) fn on_accept(&mut self, offer: Offer, outcome: Outcome) {
        let slot = offer.slot;
        match outcome {
            Outcome::Connected(connected) => self.on_accepted(slot, *connected),
            Outcome::Failed(fault) => self.on_accept_failed(slot, offer.flight, fault),
            Outcome::NoneWaiting if !offer.waits => {
                self.events.push_back(ListenerEvent::Returned { slot });
                if self.life == ListenerLife::Sweeping {
                    self.end(Step::Swept);
                }
            }
            // Asked not to wait any more, the transport had another look: nobody was there.
            _ if offer.flight.is_cancelled() => self.events.push_back(ListenerEvent::Returned { slot }),
            // It was told to wait, and did not.
            _ => self.on_accept_failed(slot, offer.flight, FaultKind::Other.into()),
        }
    }

    fn on_accepted(&mut self, slot: SocketId, connected: Connected) {
        self.report.accepted = self.report.accepted.saturating_add(1);
        if !self.is_accepting() {
            self.events.push_back(ListenerEvent::Unwanted { slot });
            return;
        }
        self.recover();
        if self.config.accepted.requires_any(connected.refused) {
            self.events.push_back(ListenerEvent::Unwanted { slot });
        } else {
            self.events.push_back(ListenerEvent::Accepted { slot, connected });
        }
        if self.life == ListenerLife::Sweeping {
            self.sweep_left = self.sweep_left.saturating_sub(1);
            if self.sweep_left == 0 {
                self.end(Step::Swept);
            }
        }
    }

    fn on_accept_failed(&mut self, slot: SocketId, flight: Flight, fault: Fault) {
        self.events.push_back(ListenerEvent::Returned { slot });
        // What was cancelled fails; that is no news.
        if !self.is_accepting() || (flight.is_cancelled() && fault.kind() == FaultKind::Cancelled) {
            return;
        }
        match fault.kind().accept_class() {
            AcceptClass::Lost => self.fail(OpKind::Accept, fault),
            AcceptClass::Exhausted => self.back_off(fault),
            AcceptClass::Transient => {
                self.report.transient_faults = self.report.transient_faults.saturating_add(1);
                self.streak = self.streak.saturating_add(1);
                if self.streak >= STREAK_LIMIT {
                    self.pause(fault);
                }
            }
        }
    }

    /// An accept has succeeded.
    fn recover(&mut self) {
        self.streak = 0;
        self.retry = Timestamp::NEVER;
        if self.backoff.is_failing() {
            self.backoff.reset();
            let failures = core::mem::take(&mut self.failures);
            self.events.push_back(ListenerEvent::Recovered { failures });
        }
    }

    /// Something has run out.
    pub(super) fn back_off(&mut self, fault: Fault) {
        self.report.exhausted_faults = self.report.exhausted_faults.saturating_add(1);
        self.pause(fault);
    }

    /// Waits longer after each failure in a row. Until then there is no accept, neither one that is in flight nor one that could be. A
    /// sweep does not wait: it is over.
    fn pause(&mut self, fault: Fault) {
        self.failures = self.failures.saturating_add(1);
        if !self.backoff.is_failing() {
            self.events.push_back(ListenerEvent::Exhausted { fault });
        }
        self.retry = self.backoff.fail(self.now, self.config.retry_first, self.config.retry_most);
        self.streak = 0;
        self.return_unused();
        if self.life == ListenerLife::Sweeping {
            self.end(Step::Swept);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::sync::Arc;
    use core::net::{Ipv4Addr, SocketAddr};
    use core::time::Duration;

    use super::*;
    use crate::{ListenerConfig, Machine, Op, Output, RefusedOptions};

    fn submitted(listener: &mut Listener) -> Op {
        loop {
            match listener.poll() {
                Some(Output::Submit(op)) => return op,
                Some(Output::Event(_)) => {}
                None => panic!("no operation: {listener:?}"),
            }
        }
    }

    /// A listener that listens, with one accept in flight.
    fn accepting(config: ListenerConfig) -> (Listener, crate::AcceptOp) {
        let now = Timestamp::ZERO;
        let mut listener = Listener::new(SocketId::new(0, 0).unwrap(), Arc::new(config));
        listener.start(now).unwrap();
        let Op::Create(create) = submitted(&mut listener) else { panic!("not a create") };
        listener.complete(now, create.created(RefusedOptions::default())).unwrap();
        let Op::Bind(bind) = submitted(&mut listener) else { panic!("not a bind") };
        listener.complete(now, bind.bound(None)).unwrap();
        let Op::Listen(listen) = submitted(&mut listener) else { panic!("not a listen") };
        listener.complete(now, listen.listening(None)).unwrap();
        listener.offer(now, SocketId::new(1, 0).unwrap()).unwrap();
        let Op::Accept(accept) = submitted(&mut listener) else { panic!("not an accept") };
        (listener, accept)
    }

    // X17, B10, C8
    #[test]
    fn a_back_off_beyond_the_end_of_time_is_no_retry_at_once() {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let config = ListenerConfig::new(address).retry(Duration::MAX, Duration::MAX).unwrap();
        let (mut listener, accept) = accepting(config);
        listener.complete(Timestamp::ZERO, accept.failed(FaultKind::DescriptorLimit.into())).unwrap();
        assert!(!listener.wants_slot(), "it would accept at once, fail at once, and so on");
        assert!(listener.deadline().is_some(), "nothing would end the back-off");
        listener.handle_timeout(Timestamp::from_secs(1_000_000_000));
        assert!(!listener.wants_slot());
        listener.handle_timeout(listener.deadline().unwrap());
        assert!(listener.wants_slot());
    }
}
