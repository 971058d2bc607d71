//! What each time-out does, and when it is armed.

use super::Connection;
use crate::state::{Life, LifeEvent, ReceiveHalf, SendHalf};
use crate::time::Span;
use crate::timers::{RareTimers, Timeout};
use crate::{CloseReason, Timestamp};

impl Connection {
    pub(super) fn fire(&mut self, timeout: Timeout) {
        match timeout {
            Timeout::Drain if self.life == Life::Open => self.break_off(CloseReason::DrainDeadline),
            Timeout::Drain => self.cut_short(CloseReason::DrainDeadline),
            Timeout::Closing => self.cut_short(CloseReason::ClosingTimeout),
            Timeout::LingerGap => self.cut_short(CloseReason::LingerGap),
            // What is still queued would arrive late or never; a reset also frees the kernel's copy of it.
            Timeout::WriteStall => self.break_off(CloseReason::WriteStall),
            // The peer has ended and the application does not go on: finish for it.
            Timeout::HalfClosed if self.receive == ReceiveHalf::Ended => {
                self.begin_closing(LifeEvent::Finish, CloseReason::HalfClosed);
            }
            Timeout::HalfClosed => self.break_off(CloseReason::HalfClosed),
            Timeout::Paused => self.break_off(CloseReason::Paused),
            Timeout::ReadIdle => self.begin_closing(LifeEvent::Finish, CloseReason::ReadIdle),
            // Being disarmed is all: operations are derived from the state.
            Timeout::RetryReceive | Timeout::RetrySend => {}
        }
    }

    /// Arms what guards receiving, from now on: called when something was received, when our FIN was sent, and when what the
    /// application wants has changed.
    #[inline(always)]
    pub(super) fn watch_receiving(&mut self) {
        if self.life != Life::Open {
            return;
        }
        if self.holds_back() {
            // Bounded from its beginning, however often credit and pause change places.
            if !self.is_armed(Timeout::Paused) {
                self.arm(Timeout::Paused, self.config.paused);
            }
        } else if self.receive == ReceiveHalf::Reading && self.send != SendHalf::Finished {
            self.arm(Timeout::ReadIdle, self.config.read_idle);
        } else {
            self.arm(Timeout::HalfClosed, self.config.half_closed);
        }
    }

    /// True while it is the application that keeps the connection from going on: it wants nothing, or not yet what has arrived.
    #[inline]
    pub(super) fn holds_back(&self) -> bool {
        match self.receive {
            ReceiveHalf::Reading => self.credit.is_withheld(),
            // No more will come, so a pause can only hold back what has come. It is not delivered while the pause lasts: polling
            // changes nothing here.
            _ => self.credit.is_paused() && self.has_arrivals(),
        }
    }

    /// Arms what guards sending, from now on: called when the transport took something, and when there is something to take (our FIN
    /// is) and was nothing before.
    #[inline]
    pub(super) fn watch_sending(&mut self) {
        self.arm(Timeout::WriteStall, self.config.write_stall);
    }

    #[inline]
    pub(super) fn arm(&mut self, timeout: Timeout, span: Span) {
        self.arm_at(timeout, self.now.after(span));
    }

    /// Arms the time-out. Of those that [`Connection::guard`] can be it takes the place of the one before.
    #[inline]
    pub(super) fn arm_at(&mut self, timeout: Timeout, at: Timestamp) {
        match timeout {
            Timeout::LingerGap | Timeout::HalfClosed | Timeout::Paused | Timeout::ReadIdle => {
                self.guard = timeout;
                self.silence = at;
            }
            Timeout::WriteStall => self.write_stall = at,
            Timeout::Drain => self.rare().timers.drain = at,
            Timeout::Closing => self.rare().timers.closing = at,
            Timeout::RetryReceive => self.rare().timers.retry_receive = at,
            Timeout::RetrySend => self.rare().timers.retry_send = at,
        }
    }

    pub(super) fn disarm_all(&mut self) {
        self.silence = Timestamp::NEVER;
        self.write_stall = Timestamp::NEVER;
        if let Some(rare) = &mut self.rare {
            rare.timers = RareTimers::default();
        }
    }

    #[inline]
    pub(super) fn is_armed(&self, timeout: Timeout) -> bool {
        self.due_for(timeout) != Timestamp::NEVER
    }

    /// When the time-out is due, or never.
    #[inline]
    pub(super) fn due_for(&self, timeout: Timeout) -> Timestamp {
        let rare = |at: fn(&RareTimers) -> Timestamp| self.rare.as_ref().map_or(Timestamp::NEVER, |rare| at(&rare.timers));
        match timeout {
            Timeout::LingerGap | Timeout::HalfClosed | Timeout::Paused | Timeout::ReadIdle => {
                if timeout == self.guard {
                    self.silence
                } else {
                    Timestamp::NEVER
                }
            }
            Timeout::WriteStall => self.write_stall,
            Timeout::Drain => rare(|timers| timers.drain),
            Timeout::Closing => rare(|timers| timers.closing),
            Timeout::RetryReceive => rare(|timers| timers.retry_receive),
            Timeout::RetrySend => rare(|timers| timers.retry_send),
        }
    }

    /// When the first of them is due, or never.
    #[inline]
    pub(crate) fn due(&self) -> Timestamp {
        let earliest = self.silence.min(self.write_stall);
        match &self.rare {
            None => earliest,
            Some(rare) => earliest.min(rare.timers.earliest()),
        }
    }

    /// Takes one time-out that is due, disarming it.
    pub(super) fn take_due(&mut self) -> Option<Timeout> {
        let due = Timeout::ALL.into_iter().find(|timeout| self.due_for(*timeout).is_due(self.now))?;
        self.arm_at(due, Timestamp::NEVER);
        Some(due)
    }
}
