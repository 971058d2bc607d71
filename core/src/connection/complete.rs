//! What completions do.

use bytes::Bytes;

use super::{Connection, count};
use crate::state::{Life, LifeEvent, ReceiveEvent, ReceiveHalf, SendEvent, SendHalf, Table};
use crate::timers::Timeout;
use crate::{CloseReason, Completion, Fault, Misuse, MisuseKind, OpId, OpKind, Outcome, Timestamp, TransferClass};

impl Connection {
    pub(super) fn take_completion(&mut self, now: Timestamp, done: Completion) -> Result<(), Misuse> {
        let (id, outcome) = done.into_parts();
        if let Err(kind) = self.check(id, &outcome) {
            self.ledger.refused_completions = self.ledger.refused_completions.saturating_add(1);
            return Err(Misuse::completion(kind, id, self.life.name()));
        }
        self.tick(now);
        match id.kind() {
            OpKind::Recv => self.on_receive(outcome),
            OpKind::Send => self.on_send(outcome),
            OpKind::Shutdown => self.on_shutdown(outcome),
            _ => self.on_close(),
        }
        self.settle();
        Ok(())
    }

    /// Validates fully, before anything changes.
    fn check(&self, id: OpId, outcome: &Outcome) -> Result<(), MisuseKind> {
        if id.socket() != self.socket {
            return Err(MisuseKind::UnknownSocket);
        }
        let (flight, fits) = match id.kind() {
            OpKind::Recv => (self.recv, matches!(outcome, Outcome::Data(_) | Outcome::Eof | Outcome::Failed(_))),
            OpKind::Send => (self.sending, matches!(outcome, Outcome::Sent(_) | Outcome::Failed(_))),
            OpKind::Shutdown => (self.shutdown, matches!(outcome, Outcome::Done | Outcome::Failed(_))),
            OpKind::Close => (self.close, matches!(outcome, Outcome::Done | Outcome::Failed(_))),
            _ => return Err(MisuseKind::NotInFlight),
        };
        if !flight.expects(id) {
            return Err(MisuseKind::NotInFlight);
        }
        if fits { Ok(()) } else { Err(MisuseKind::WrongOutcome) }
    }

    fn on_receive(&mut self, outcome: Outcome) {
        self.recv.land();
        match outcome {
            Outcome::Data(data) if data.is_empty() || data.len() > self.receive_size => {
                self.receive.step(ReceiveEvent::Fail);
                self.break_off(CloseReason::TransportFault { operation: OpKind::Recv });
            }
            Outcome::Data(data) => self.on_data(data),
            Outcome::Failed(fault) => self.on_fault(OpKind::Recv, fault),
            _ => self.on_eof(),
        }
    }

    fn on_data(&mut self, data: Bytes) {
        let length = count(data.len());
        self.receive.step(ReceiveEvent::Data);
        self.receive_backoff.reset();
        if self.receive == ReceiveHalf::Reading {
            self.credit.spend(length);
            self.inbox.data = Some(data);
            self.watch_receiving();
        } else {
            self.on_drained(length);
        }
    }

    /// Bytes that nobody wants any more. The byte limit counts from our FIN on: what a peer sends while we still flush is bounded by the
    /// closing time alone, for cutting that short would lose the end of our own data.
    fn on_drained(&mut self, length: u64) {
        self.ledger.undelivered = self.ledger.undelivered.saturating_add(length);
        if self.life != Life::Lingering || self.send != SendHalf::Finished {
            return;
        }
        match self.linger_left.checked_sub(length) {
            Some(left) => {
                self.linger_left = left;
                self.watch_lingering();
            }
            None => self.cut_short(CloseReason::LingerBytes),
        }
    }

    fn on_eof(&mut self) {
        self.inbox.peer_finished = self.receive == ReceiveHalf::Reading;
        self.receive.step(ReceiveEvent::Eof);
        self.receive_backoff.reset();
        self.watch_receiving();
    }

    fn on_send(&mut self, outcome: Outcome) {
        self.sending.land();
        match outcome {
            Outcome::Sent(count) if count == 0 || count > self.queue.asked() => {
                self.queue.retain();
                self.send.step(SendEvent::Fail);
                self.break_off(CloseReason::TransportFault { operation: OpKind::Send });
            }
            Outcome::Sent(count) => self.on_sent(count),
            Outcome::Failed(fault) => {
                self.queue.retain();
                self.on_fault(OpKind::Send, fault);
            }
            _ => {}
        }
    }

    fn on_sent(&mut self, taken: usize) {
        self.queue.advance(taken);
        self.ledger.sent = self.ledger.sent.saturating_add(count(taken));
        self.send_backoff.reset();
        if matches!(self.life, Life::Ending | Life::Closing | Life::Closed) {
            return;
        }
        if self.queue.is_empty() && self.send == SendHalf::Open {
            self.timers.clear(Timeout::WriteStall);
        } else {
            self.watch_sending();
        }
        self.refresh_half_closed();
        if self.blocked && self.queue.len() <= self.config.send_low {
            self.blocked = false;
            self.inbox.writable = self.may_send();
        }
    }

    fn on_shutdown(&mut self, outcome: Outcome) {
        self.shutdown.land();
        if let Outcome::Failed(fault) = outcome {
            self.on_fault(OpKind::Shutdown, fault);
            return;
        }
        self.send.step(SendEvent::Done);
        if matches!(self.life, Life::Open | Life::Lingering | Life::Flushing) {
            self.timers.clear(Timeout::WriteStall);
            self.watch_receiving();
            self.watch_lingering();
        }
    }

    /// A receive, send or shutdown failed.
    fn on_fault(&mut self, operation: OpKind, fault: Fault) {
        // What was cancelled fails; that is no news.
        if self.life == Life::Ending {
            return;
        }
        let exhausted = fault.kind().transfer_class() == TransferClass::Exhausted;
        match operation {
            OpKind::Recv if exhausted => self.timers.set(Timeout::RetryReceive, self.receive_backoff.fail(self.now)),
            OpKind::Send if exhausted => self.timers.set(Timeout::RetrySend, self.send_backoff.fail(self.now)),
            OpKind::Recv => {
                self.receive.step(ReceiveEvent::Fail);
                self.break_off(CloseReason::Fault { operation, fault });
            }
            _ => {
                self.send.step(SendEvent::Fail);
                self.break_off(CloseReason::Fault { operation, fault });
            }
        }
    }

    /// A close that failed counts as closed: there is nothing else to do with the socket.
    fn on_close(&mut self) {
        self.close.land();
        self.life.step(LifeEvent::Gone);
        self.queue.release();
        self.inbox.closed = true;
    }
}
