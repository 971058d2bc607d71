//! What each time-out does, and when it is armed.

use super::Connection;
use crate::CloseReason;
use crate::state::{Life, LifeEvent, ReceiveHalf, SendHalf};
use crate::time::Span;
use crate::timers::Timeout;

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
            if !self.timers.is_armed(Timeout::Paused) {
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
        self.timers.set(timeout, self.now.after(span));
    }
}
