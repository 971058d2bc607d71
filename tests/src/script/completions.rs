//! What completions do to the ledger.

use sansock::state::Life;
use sansock::{CloseReason, Fault, OpKind, Outcome, TransferClass};

use super::model::{Fin, Flight, Model};
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
    /// The operation in flight came to this outcome.
    pub(crate) fn completed(&mut self, target: Target, outcome: &Outcome) -> Check {
        let Some(flight) = self.flight_mut(target).take() else {
            return Err(format!("the oracle completed a {target:?} that is not in flight"));
        };
        self.completed.push(flight.id);
        match outcome {
            Outcome::Data(data) => self.received(flight, data.len()),
            Outcome::Eof => self.received_eof(),
            Outcome::Sent(count) => self.sent(flight, *count),
            Outcome::Done if target == Target::Shutdown => self.shut_down(),
            Outcome::Failed(fault) if target != Target::Close => self.failed(target, *fault),
            // A7: a close that failed counts as closed.
            _ => self.life = Life::Closed,
        }
        self.update_hold();
        self.settle();
        Ok(())
    }

    fn received(&mut self, flight: Flight, length: usize) {
        // D6: compared before any arithmetic.
        if length == 0 || length > flight.size {
            self.seen.insert("impossible receive");
            self.abort(CloseReason::TransportFault { operation: OpKind::Recv });
            return;
        }
        self.wire += length;
        self.clocks.received_at = self.now;
        self.clocks.succeeded(Target::Recv);
        match self.life {
            Life::Open => {
                self.arrived += length;
                self.credit = self.credit.map(|credit| credit.saturating_sub(length as u64));
            }
            Life::Lingering if self.fin == Fin::Done => {
                self.drained += length;
                if self.drained > usize::from(self.limits.linger) {
                    self.seen.insert("linger bytes");
                    self.cut_short(CloseReason::LingerBytes);
                }
            }
            _ => {}
        }
    }

    fn received_eof(&mut self) {
        self.seen.insert("eof");
        self.eof = true;
        self.end_arrived = self.is_open();
        self.clocks.eof_at = self.now;
        self.clocks.succeeded(Target::Recv);
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
        self.clocks.send_at = self.now;
        self.clocks.taken_at = self.now;
        self.clocks.succeeded(Target::Send);
        if self.blocked && self.queued() <= usize::from(self.limits.low) {
            self.blocked = false;
            self.writable = self.accepts();
        }
    }

    fn shut_down(&mut self) {
        self.fin = Fin::Done;
        self.clocks.fin_at = self.now;
    }

    fn failed(&mut self, target: Target, fault: Fault) {
        if !self.is_live() {
            // The answer to a cancel: the connection is on its way out already.
        } else if target != Target::Shutdown && fault.kind().transfer_class() == TransferClass::Exhausted {
            self.retry_later(target);
        } else {
            self.seen.insert("final fault");
            self.abort(CloseReason::Fault { operation: target.kind(), fault });
        }
    }
}
