//! What completions do to the ledger.

use sansock::state::Life;
use sansock::{CloseReason, Ending, Fault, OpKind, Outcome, TransferClass};

use super::model::{Expect, Fin, Flight, Model};
use super::{Check, Target};

impl Target {
    /// The kind of operation.
    #[must_use]
    pub const fn kind(self) -> OpKind {
        match self {
            Self::Recv => OpKind::Recv,
            Self::Send => OpKind::Send,
            Self::Shutdown => OpKind::Shutdown,
            Self::Close => OpKind::Close,
        }
    }

    /// True if this kind of operation can come to the outcome, whatever the value in it.
    pub(crate) const fn comes_to(self, outcome: &Outcome) -> bool {
        match self {
            Self::Recv => matches!(outcome, Outcome::Data(_) | Outcome::Eof | Outcome::Failed(_)),
            Self::Send => matches!(outcome, Outcome::Sent(_) | Outcome::Failed(_)),
            Self::Shutdown | Self::Close => matches!(outcome, Outcome::Done | Outcome::Failed(_)),
        }
    }
}

impl Model {
    /// The operation in flight came to this outcome, and `life` is what became of the connection.
    pub(crate) fn completed(&mut self, target: Target, outcome: &Outcome, life: Life) -> Check {
        let Some(flight) = self.flight_mut(target).take() else {
            return Err(format!("the oracle completed a {target:?} that is not in flight"));
        };
        self.completed.push(flight.id);
        match outcome {
            Outcome::Data(data) => self.received(flight, data.len(), life)?,
            Outcome::Eof => self.received_eof(),
            Outcome::Sent(count) => self.sent(flight, *count),
            Outcome::Done if target == Target::Shutdown => self.shut_down(),
            Outcome::Failed(fault) if target != Target::Close => self.failed(target, *fault),
            // A7: a close that failed counts as closed.
            _ => self.life = Life::Closed,
        }
        self.settle(life);
        if self.life == Life::Ending && !self.both_finished && self.queued() == 0 && self.fin == Fin::Done {
            self.verdict.late(if self.eof { Ending::Confirmed } else { Ending::Unconfirmed });
        }
        Ok(())
    }

    fn received(&mut self, flight: Flight, length: usize, life: Life) -> Check {
        // D6: compared before any arithmetic.
        if length == 0 || length > flight.size {
            self.oversized += length;
            self.seen.insert("impossible receive");
            self.abort(CloseReason::TransportFault { operation: OpKind::Recv });
            return Ok(());
        }
        self.wire += length;
        match self.life {
            Life::Open => {
                self.clocks.data_at = self.now;
                self.clocks.wanted_at = self.now;
                self.clocks.moved(self.now);
                self.credit = self.credit.map(|credit| credit.saturating_sub(length as u64));
                if self.holding() {
                    self.clocks.hold(self.now);
                }
            }
            Life::Lingering => {
                self.clocks.data_at = self.now;
                self.drained += length;
                if self.fin == Fin::Done {
                    self.drained_after_fin += length;
                }
                self.lingering_bytes(life)?;
            }
            // A receive that was being cancelled succeeded: whether the application gets its bytes is not said.
            Life::Ending if self.delivery == Expect::Must => self.delivery = Expect::May,
            _ => {}
        }
        Ok(())
    }

    /// The documentation counts bytes after our FIN in one place, bytes while lingering in another: either will do.
    fn lingering_bytes(&mut self, life: Life) -> Check {
        let limit = usize::from(self.limits.linger);
        if life == Life::Ending {
            ensure!(self.drained > limit, "linger limit {limit} applied after {} bytes", self.drained);
            self.seen.insert("linger bytes");
            self.cut_short(&[CloseReason::LingerBytes]);
        } else {
            ensure!(self.drained_after_fin <= limit, "{} bytes drained, above {limit}", self.drained_after_fin);
        }
        Ok(())
    }

    fn received_eof(&mut self) {
        self.eof = true;
        self.seen.insert("eof");
        match self.life {
            Life::Open => self.clocks.half_ended(self.now),
            Life::Ending => {
                if self.delivery == Expect::Must {
                    self.delivery = Expect::May;
                }
            }
            _ => {}
        }
    }

    fn sent(&mut self, flight: Flight, count: usize) {
        if count == 0 || count > flight.size {
            self.seen.insert("impossible send");
            self.abort(CloseReason::TransportFault { operation: OpKind::Send });
            return;
        }
        if count < flight.size {
            self.seen.insert("short send");
        }
        self.confirmed += count;
        if !self.is_live() {
            return;
        }
        self.clocks.queue_at = self.now;
        self.clocks.moved(self.now);
        if self.blocked && self.queued() <= usize::from(self.limits.low) {
            self.blocked = false;
            // After the application has ended its direction, being told is of no use, but not forbidden.
            self.writable = match (self.delivery, self.accepts()) {
                (Expect::MustNot, _) => Expect::MustNot,
                (_, true) => Expect::Must,
                (_, false) => Expect::May,
            };
        }
    }

    fn shut_down(&mut self) {
        self.fin = Fin::Done;
        self.clocks.fin_at = self.now;
        if self.is_open() {
            self.clocks.stirred(self.now);
        }
    }

    fn failed(&mut self, target: Target, fault: Fault) {
        let retried = target != Target::Shutdown && fault.kind().transfer_class() == TransferClass::Exhausted;
        if retried && self.is_live() {
            self.retry_later(target);
        } else if self.is_live() {
            self.seen.insert("final fault");
            self.abort(CloseReason::Fault { operation: target.kind(), fault });
        } else if fault.kind() != sansock::FaultKind::Cancelled {
            // The answer to a cancel: the connection is on its way out already.
            self.verdict.cut_late(CloseReason::Fault { operation: target.kind(), fault });
        }
    }
}
