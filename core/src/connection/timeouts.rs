//! What each time-out does, and when it is armed.

use core::time::Duration;

use super::Connection;
use crate::CloseReason;
use crate::state::{Life, LifeEvent, ReceiveHalf, SendHalf};
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
            Timeout::Retry => {}
        }
    }

    /// Arms what guards receiving, from now on: called when something was received and when what is wanted has changed.
    pub(super) fn watch_receiving(&mut self) {
        if self.life != Life::Open || self.receive != ReceiveHalf::Reading {
            return;
        }
        let withheld = self.credit.is_withheld();
        self.timers.clear(Timeout::ReadIdle);
        self.timers.clear(Timeout::HalfClosed);
        if !withheld {
            self.timers.clear(Timeout::Paused);
        }
        let finished = self.send == SendHalf::Finished;
        match (withheld, finished) {
            // A pause is bounded from its beginning, however often credit and pause change places.
            (true, _) if self.timers.is_armed(Timeout::Paused) => {}
            (true, _) => self.arm(Timeout::Paused, self.config.paused),
            (false, true) => self.arm(Timeout::HalfClosed, self.config.half_closed),
            (false, false) => self.arm(Timeout::ReadIdle, self.config.read_idle),
        }
    }

    /// Arms what guards sending, from now on: called when the transport took something and when there is something to take.
    pub(super) fn watch_sending(&mut self) {
        self.arm(Timeout::WriteStall, self.config.write_stall);
    }

    pub(super) fn arm(&mut self, timeout: Timeout, span: Option<Duration>) {
        match span {
            Some(span) => self.timers.set(timeout, self.now + span),
            None => self.timers.clear(timeout),
        }
    }
}
