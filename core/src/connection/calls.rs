//! What the application calls.

use bytes::Bytes;

use super::Connection;
use crate::state::{Life, LifeEvent, ReceiveHalf, SendEvent, SendHalf, Table};
use crate::timers::Timeout;
use crate::{CloseReason, Stream, Timestamp, Unsent, UnsentReason};

impl Stream for Connection {
    fn send(&mut self, now: Timestamp, mut data: Bytes) -> Result<(), Unsent> {
        self.tick(now);
        if data.is_empty() {
            return Ok(());
        }
        if !self.may_send() {
            return Err(Unsent { data, reason: UnsentReason::Ended });
        }
        let was_empty = self.queue.is_empty();
        if self.queue.push(&mut data, self.config.send_high) > 0 {
            if was_empty {
                self.watch_sending();
            }
            self.refresh_half_closed();
        }
        self.blocked |= self.queue.len() >= self.config.send_high;
        if data.is_empty() { Ok(()) } else { Err(Unsent { data, reason: UnsentReason::Full }) }
    }

    fn room(&self) -> usize {
        if self.may_send() { self.config.send_high.saturating_sub(self.queue.len()) } else { 0 }
    }

    fn pause(&mut self, now: Timestamp) {
        self.tick(now);
        if self.life == Life::Open && !self.credit.is_paused() {
            self.credit.pause(true);
            self.watch_receiving();
        }
    }

    fn resume(&mut self, now: Timestamp) {
        self.tick(now);
        if self.life == Life::Open && self.credit.is_paused() {
            self.credit.pause(false);
            self.watch_receiving();
            self.settle();
        }
    }

    fn half_close(&mut self, now: Timestamp) {
        self.tick(now);
        if self.life == Life::Open && self.send.step(SendEvent::Finish) && self.queue.is_empty() {
            self.watch_sending();
        }
    }

    fn finish(&mut self, now: Timestamp) {
        self.tick(now);
        self.begin_closing(LifeEvent::Finish, CloseReason::Finished);
        self.drop_inbox();
    }

    fn close_after_flush(&mut self, now: Timestamp) {
        self.tick(now);
        self.begin_closing(LifeEvent::CloseAfterFlush, CloseReason::ClosedAfterFlush);
        self.drop_inbox();
    }

    fn abort_with(&mut self, now: Timestamp, reason: CloseReason) {
        self.tick(now);
        self.break_off(reason);
        self.drop_inbox();
    }
}

impl Connection {
    /// Allows the peer this many bytes more, beside [`ConnectionConfig::receive_credit`](crate::ConnectionConfig::receive_credit).
    pub fn grant(&mut self, now: Timestamp, bytes: u64) {
        self.tick(now);
        if self.life == Life::Open && bytes > 0 {
            let was_withheld = self.credit.is_withheld();
            self.credit.grant(bytes);
            if was_withheld != self.credit.is_withheld() {
                self.watch_receiving();
            }
        }
    }

    /// The connection must be gone by `deadline`, whatever it is doing: an open connection is aborted then, a graceful ending is cut
    /// short. The earliest deadline wins.
    pub fn drain_by(&mut self, now: Timestamp, deadline: Timestamp) {
        self.tick(now);
        if matches!(self.life, Life::Open | Life::Lingering | Life::Flushing) {
            self.timers.advance(Timeout::Drain, deadline);
        }
    }

    pub(super) fn may_send(&self) -> bool {
        self.life == Life::Open && self.send == SendHalf::Open
    }

    /// The application has ended the connection: it will hear of nothing but the end.
    fn drop_inbox(&mut self) {
        self.withhold_for_good();
        self.inbox.writable = false;
    }

    /// What has arrived and was not delivered never will be.
    pub(super) fn withhold_for_good(&mut self) {
        if let Some(data) = self.inbox.data.take() {
            self.ledger.undelivered = self.ledger.undelivered.saturating_add(super::count(data.len()));
        }
        self.inbox.peer_finished = false;
    }

    /// The half-closed time-out of a connection whose peer has ended: anything that moves in our direction puts it off.
    pub(super) fn refresh_half_closed(&mut self) {
        if self.life == Life::Open && self.receive == ReceiveHalf::Ended {
            self.arm(Timeout::HalfClosed, self.config.half_closed);
        }
    }
}
