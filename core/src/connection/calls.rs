//! What the application calls.

use bytes::Bytes;

use super::Connection;
use super::inbox::Inbox;
use crate::credit::Credit;
use crate::state::{Life, LifeEvent, ReceiveHalf, SendEvent, SendHalf, Table};
use crate::timers::Timeout;
use crate::{CloseReason, Stream, Timestamp, Unsent, UnsentReason};

impl Stream for Connection {
    #[inline]
    fn send(&mut self, now: Timestamp, data: Bytes) -> Result<(), Unsent> {
        self.tick(now);
        if data.is_empty() {
            return Ok(());
        }
        if !self.may_send() {
            return Err(Unsent { data, reason: UnsentReason::Ended });
        }
        let (was_empty, offered) = (self.queue.is_empty(), data.len());
        let rest = self.queue.push(data, self.config.send_high);
        if rest.as_ref().is_none_or(|rest| rest.len() < offered) {
            if was_empty {
                self.watch_sending();
            }
            self.refresh_half_closed();
        }
        self.blocked |= self.queue.len() >= self.config.send_high;
        match rest {
            None => Ok(()),
            Some(data) => Err(Unsent { data, reason: UnsentReason::Full }),
        }
    }

    fn room(&self) -> usize {
        if self.may_send() { self.config.send_high.saturating_sub(self.queue.len()) } else { 0 }
    }

    fn pause(&mut self, now: Timestamp) {
        self.tick(now);
        self.want(|credit| credit.pause(true));
    }

    fn resume(&mut self, now: Timestamp) {
        self.tick(now);
        self.want(|credit| credit.pause(false));
        self.settle();
    }

    fn half_close(&mut self, now: Timestamp) {
        self.tick(now);
        if self.life == Life::Open {
            self.end_sending();
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
        self.want(|credit| credit.grant(bytes));
    }

    /// The connection must be gone by `deadline`, whatever it is doing: an open connection is aborted then, a graceful ending is cut
    /// short. The earliest deadline wins.
    pub fn drain_by(&mut self, now: Timestamp, deadline: Timestamp) {
        self.tick(now);
        if matches!(self.life, Life::Open | Life::Lingering | Life::Flushing) {
            self.arm_at(Timeout::Drain, deadline.min(self.due_for(Timeout::Drain)));
        }
    }

    #[inline]
    pub(super) fn may_send(&self) -> bool {
        self.life == Life::Open && self.send == SendHalf::Open
    }

    /// Our FIN is to follow what is queued.
    pub(super) fn end_sending(&mut self) {
        if self.send.step(SendEvent::Finish) {
            self.inbox.remove(Inbox::WRITABLE);
            if self.queue.is_empty() {
                self.watch_sending();
            }
        }
    }

    /// Changes what the application wants to receive, and what guards that if it makes a difference.
    fn want(&mut self, change: impl FnOnce(&mut Credit)) {
        if self.life == Life::Open {
            let held_back = self.holds_back();
            change(&mut self.credit);
            if held_back != self.holds_back() {
                self.watch_receiving();
            }
        }
    }

    /// The application has ended the connection: it will hear of nothing but the end.
    fn drop_inbox(&mut self) {
        self.withhold_for_good();
        self.inbox.remove(Inbox::WRITABLE);
    }

    /// What has arrived and was not delivered never will be.
    pub(super) fn withhold_for_good(&mut self) {
        if let Some(data) = self.pick_up() {
            let rare = self.rare();
            rare.undelivered = rare.undelivered.saturating_add(super::count(data.len()));
        }
        self.inbox.remove(Inbox::PEER_FINISHED);
    }

    /// Something has moved in our direction: if the peer has ended, that is what puts the half-closed time-out off.
    #[inline]
    pub(super) fn refresh_half_closed(&mut self) {
        if self.receive == ReceiveHalf::Ended {
            self.watch_receiving();
        }
    }
}
