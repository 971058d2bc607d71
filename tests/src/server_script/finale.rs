//! How a server is brought to its end, and that it gets there. (C2, C3)

use std::time::Duration;

use sansock::state::SupervisorLife;
use sansock::{Ending, FaultKind, OpKind, Order, Outcome, Server, Timestamp};

use super::run::Run;
use super::step::Finale;
use crate::drive::ordinary;

/// More steps than any end takes.
const STEPS: usize = 200;

impl Run {
    pub(super) fn finale(&mut self, finale: Finale) {
        self.drive.lazily(false);
        self.drive.poll(usize::MAX);
        self.look();
        match finale {
            Finale::DeadTransport => self.end_by_deadline(),
            Finale::Fair => self.end_in_peace(),
            Finale::Stop => self.end_now(),
        }
        assert!(self.drive.has_ended(), "C3: it does not end; in flight {:?}", self.drive.in_flight());
        assert_eq!(self.drive.machine().life(), SupervisorLife::Stopped);
        assert_eq!(self.drive.contract().open(), 0, "A8: a socket is open");
        assert_eq!(self.drive.until_deadline(), None, "A12: a timer is armed");
        let report = self.ledger.report.clone().expect("the report comes with the last event");
        assert_eq!(&report, self.drive.machine().report(), "A13: the report is not the last word");
        assert_eq!(report.accepted, report.rejected + report.finished(), "A13: {report}");
    }

    /// By timers alone, and not later than the deadline. To a machine whose time is later than that of the clock, an earlier drain's deadline
    /// is over that the clock still has before it; so the clock catches up first.
    fn end_by_deadline(&mut self) {
        self.drive.catch_up();
        let deadline = self.drive.now() + Duration::from_secs(1);
        self.drain(deadline);
        self.look();
        for _ in 0..STEPS {
            if !self.complete_dead() && !self.obey(|order| order == Order::Abort) {
                if self.drive.until_deadline().is_none() {
                    break;
                }
                self.at_deadline();
            }
            self.look();
        }
        assert!(self.drive.now() <= deadline, "C2, C3: it ended after its deadline");
    }

    /// Without that any time passes.
    fn end_in_peace(&mut self) {
        self.drain(Timestamp::NEVER);
        self.look();
        for _ in 0..STEPS {
            let next = self.in_flight().first().copied();
            if let Some(id) = next {
                let waits = matches!(self.drive.op(id), sansock::Op::Accept(accept) if accept.wait());
                let outcome = if waits { Outcome::Failed(FaultKind::Cancelled.into()) } else { ordinary(self.drive.op(id)) };
                assert!(!waits || self.drive.is_cancelled(id), "C3: {id} waits, and nobody has cancelled it");
                self.complete(id, outcome);
            } else if !self.obey(|_| true) {
                break;
            }
            self.look();
        }
    }

    fn end_now(&mut self) {
        self.tell(Server::stop);
        self.look();
        for _ in 0..STEPS {
            if !self.complete_dead() && !self.obey(|order| order == Order::Abort) {
                break;
            }
            self.look();
        }
    }

    /// Completes one operation as a dead transport does; false if there is none.
    fn complete_dead(&mut self) -> bool {
        for id in self.in_flight() {
            let closes = matches!(id.kind(), OpKind::Close | OpKind::Cleanup);
            if closes || self.drive.is_cancelled(id) {
                let outcome = if closes { Outcome::Done } else { Outcome::Failed(FaultKind::Cancelled.into()) };
                self.complete(id, outcome);
                return true;
            }
        }
        false
    }

    /// One session that has got such an order ends; false if there is none.
    fn obey(&mut self, which: impl Fn(Order) -> bool) -> bool {
        let obedient = self.drive.contract().out().find(|socket| self.ledger.order(*socket).is_some_and(&which));
        if let Some(socket) = obedient {
            self.gone(socket, Ending::Aborted);
        }
        obedient.is_some()
    }
}
