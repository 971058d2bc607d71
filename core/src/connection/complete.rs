//! What completions do.

use bytes::Bytes;

use super::inbox::Inbox;
use super::{Connection, Rare, count};
use crate::backoff::Backoff;
use crate::state::{Life, LifeEvent, ReceiveEvent, ReceiveHalf, SendEvent, SendHalf, Table};
use crate::timers::Timeout;
use crate::{CloseReason, Completion, Fault, Misuse, MisuseKind, OpId, OpKind, Outcome, Timestamp, TransferClass};

impl Connection {
    pub(super) fn take_completion(&mut self, now: Timestamp, done: Completion) -> Result<(), Misuse> {
        let (id, outcome) = done.into_parts();
        match outcome {
            Outcome::Data(data) if self.expects_data(id) => {
                if let Some(data) = self.received(now, data) {
                    self.put_down(data);
                }
                Ok(())
            }
            Outcome::Sent(count) if self.expects_sent(id) => {
                self.sent(now, count);
                Ok(())
            }
            outcome => self.take_rare(now, id, &outcome),
        }
    }

    /// True if this receive is in flight.
    #[inline(always)]
    pub(crate) fn expects_data(&self, id: OpId) -> bool {
        self.recv.expects_of(self.socket, OpKind::Recv, id)
    }

    /// True if this send is in flight.
    #[inline(always)]
    pub(crate) fn expects_sent(&self, id: OpId) -> bool {
        self.sending.expects_of(self.socket, OpKind::Send, id)
    }

    /// The receive in flight brought these bytes. They come back if they are to be delivered: whoever does that at once need not put them
    /// down first. They go before every [`Signal`](super::Signal).
    #[inline(always)]
    pub(crate) fn received(&mut self, now: Timestamp, data: Bytes) -> Option<Bytes> {
        self.tick(now);
        self.recv.land();
        self.on_receive(data)
    }

    /// The send in flight took so many bytes.
    #[inline(always)]
    pub(crate) fn sent(&mut self, now: Timestamp, count: usize) {
        self.tick(now);
        self.sending.land();
        self.on_send(count);
    }

    /// What does not happen with every message.
    #[inline(never)]
    pub(crate) fn take_rare(&mut self, now: Timestamp, id: OpId, outcome: &Outcome) -> Result<(), Misuse> {
        if let Err(kind) = self.check(id, outcome) {
            let rare = self.rare();
            rare.refused_completions = rare.refused_completions.saturating_add(1);
            return Err(Misuse::completion(kind, id, self.life.name()));
        }
        self.tick(now);
        self.on_end(id.kind(), outcome);
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

    fn on_end(&mut self, kind: OpKind, outcome: &Outcome) {
        let fault = match outcome {
            Outcome::Failed(fault) => Some(*fault),
            _ => None,
        };
        match (kind, fault) {
            (OpKind::Recv, Some(fault)) => {
                self.recv.land();
                self.on_fault(OpKind::Recv, fault);
            }
            (OpKind::Recv, None) => {
                self.recv.land();
                self.on_eof();
            }
            (OpKind::Send, fault) => {
                self.sending.land();
                self.queue.retain();
                if let Some(fault) = fault {
                    self.on_fault(OpKind::Send, fault);
                }
            }
            (OpKind::Shutdown, fault) => {
                self.shutdown.land();
                match fault {
                    Some(fault) => self.on_fault(OpKind::Shutdown, fault),
                    None => self.on_shutdown(),
                }
            }
            // A close that failed counts as closed: there is nothing else to do with the socket.
            _ => self.on_close(),
        }
    }

    /// Gives the data back if it can be delivered now.
    #[inline(always)]
    fn on_receive(&mut self, data: Bytes) -> Option<Bytes> {
        if data.is_empty() || data.len() > self.credit.asked() {
            self.receive.step(ReceiveEvent::Fail);
            self.break_off(CloseReason::TransportFault { operation: OpKind::Recv });
            return None;
        }
        self.receive.step(ReceiveEvent::Data);
        self.forget_failures(|rare| &mut rare.receive_backoff);
        let length = count(data.len());
        if self.receive != ReceiveHalf::Reading {
            self.on_drained(length);
            return None;
        }
        self.credit.spend(length);
        self.watch_receiving();
        Some(data)
    }

    /// Bytes that nobody wants any more. The byte limit counts from our FIN on: what a peer sends while we still flush is bounded by the
    /// closing time alone, for cutting that short would lose the end of our own data.
    fn on_drained(&mut self, length: u64) {
        let rare = self.rare();
        rare.undelivered = rare.undelivered.saturating_add(length);
        if self.life != Life::Lingering || self.send != SendHalf::Finished {
            return;
        }
        if length > self.linger_left() {
            return self.cut_short(CloseReason::LingerBytes);
        }
        let rare = self.rare();
        rare.drained = rare.drained.saturating_add(length);
        self.watch_lingering();
    }

    /// How many more bytes may be drained.
    pub(super) fn linger_left(&self) -> u64 {
        self.config.linger_bytes.saturating_sub(self.rare.as_ref().map_or(0, |rare| rare.drained))
    }

    /// Something succeeded after failures, or without any.
    #[inline]
    fn forget_failures(&mut self, of: fn(&mut Rare) -> &mut Backoff) {
        if let Some(rare) = &mut self.rare {
            of(rare).reset();
        }
    }

    fn on_eof(&mut self) {
        if self.receive == ReceiveHalf::Reading {
            self.inbox.put(Inbox::PEER_FINISHED);
        }
        self.receive.step(ReceiveEvent::Eof);
        self.forget_failures(|rare| &mut rare.receive_backoff);
        self.watch_receiving();
    }

    #[inline(always)]
    fn on_send(&mut self, count: usize) {
        if self.queue.advance(count) {
            self.on_sent(count);
        } else {
            self.send.step(SendEvent::Fail);
            self.break_off(CloseReason::TransportFault { operation: OpKind::Send });
        }
    }

    #[inline(always)]
    fn on_sent(&mut self, taken: usize) {
        self.ledger.sent = self.ledger.sent.saturating_add(count(taken));
        self.forget_failures(|rare| &mut rare.send_backoff);
        if matches!(self.life, Life::Ending | Life::Closing | Life::Closed) {
            return;
        }
        if self.queue.is_empty() && self.send == SendHalf::Open {
            self.write_stall = Timestamp::NEVER;
        } else {
            self.watch_sending();
        }
        self.refresh_half_closed();
        if self.blocked && self.queue.len() <= self.config.send_low {
            self.blocked = false;
            if self.may_send() {
                self.inbox.put(Inbox::WRITABLE);
            }
        }
    }

    fn on_shutdown(&mut self) {
        self.send.step(SendEvent::Done);
        if matches!(self.life, Life::Open | Life::Lingering | Life::Flushing) {
            self.write_stall = Timestamp::NEVER;
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
            OpKind::Recv if exhausted => self.retry_later(Timeout::RetryReceive, |rare| &mut rare.receive_backoff),
            OpKind::Send if exhausted => self.retry_later(Timeout::RetrySend, |rare| &mut rare.send_backoff),
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

    fn retry_later(&mut self, timeout: Timeout, backoff: fn(&mut Rare) -> &mut Backoff) {
        let (now, first, most) = (self.now, self.config.retry_first, self.config.retry_most);
        let again = backoff(self.rare()).fail(now, first, most);
        self.arm_at(timeout, again);
    }

    fn on_close(&mut self) {
        self.close.land();
        self.life.step(LifeEvent::Gone);
        if !self.queue.is_empty() {
            self.rare().unsent = self.queue.len();
        }
        self.queue.release();
        self.inbox.put(Inbox::CLOSED);
    }
}
