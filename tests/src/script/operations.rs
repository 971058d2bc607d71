//! The application's calls.

use sansock::state::Life;
use sansock::{CloseReason, Fault, Machine, SocketId, Stream, Timestamp, UnsentReason};

use super::{Check, Pattern, Run};

impl Run {
    // A1, B1, B7, D13
    pub(crate) fn send(&mut self, length: usize) -> Check {
        self.tick();
        let (now, model) = (self.clock, &self.model);
        let data = Pattern::OURS.bytes(model.accepted, length);
        let (accepts, room) = (model.accepts(), model.room());
        let taken = room.min(length);
        let nothing_changes = taken == 0;
        let offered = data.clone();
        let answer = self.call(nothing_changes, move |machine| machine.send(now, offered.clone()))?;
        if length == 0 {
            ensure!(answer.is_ok(), "B7: sending nothing gave {answer:?}");
            return Ok(());
        }
        let refused = match answer {
            Ok(()) => None,
            Err(unsent) => {
                ensure!(unsent.data == data.slice(taken..), "A1: {} bytes came back, not {}", unsent.data.len(), length - taken);
                Some(unsent.reason)
            }
        };
        let expected = match (accepts, taken < length) {
            (false, _) => Some(UnsentReason::Ended),
            (true, true) => Some(UnsentReason::Full),
            (true, false) => None,
        };
        ensure!(refused == expected, "D13: send gave {refused:?}, not {expected:?}");
        let model = &mut self.model;
        if taken > 0 {
            if model.queued() == 0 {
                model.clocks.send_at = model.now;
            }
            model.clocks.handed_at = model.now;
            model.accepted += taken;
            model.blocked |= model.room() == 0;
            model.seen.insert(if refused.is_some() { "queue full" } else { "sent" });
        }
        Ok(())
    }

    pub(crate) fn pause(&mut self) -> Check {
        self.tick();
        let now = self.clock;
        let nothing_changes = !self.model.is_open() || self.model.paused;
        self.call(nothing_changes, |machine| machine.pause(now))?;
        let model = &mut self.model;
        if !nothing_changes {
            model.paused = true;
            model.update_hold();
        }
        Ok(())
    }

    pub(crate) fn resume(&mut self) -> Check {
        self.tick();
        let now = self.clock;
        let nothing_changes = !self.model.is_open() || !self.model.paused;
        self.call(nothing_changes, |machine| machine.resume(now))?;
        if !nothing_changes {
            self.model.paused = false;
            self.model.update_hold();
            self.model.settle();
        }
        Ok(())
    }

    pub(crate) fn grant(&mut self, bytes: u64) -> Check {
        self.tick();
        let now = self.clock;
        let nothing_changes = !self.model.is_open() || bytes == 0 || self.model.credit.is_none();
        self.call(nothing_changes, |machine| machine.grant(now, bytes))?;
        if !nothing_changes {
            self.model.credit = self.model.credit.map(|credit| credit.saturating_add(bytes));
            self.model.update_hold();
        }
        Ok(())
    }

    pub(crate) fn half_close(&mut self) -> Check {
        self.tick();
        let now = self.clock;
        let nothing_changes = !self.model.accepts();
        self.call(nothing_changes, |machine| machine.half_close(now))?;
        if !nothing_changes {
            self.model.ask_fin();
        }
        Ok(())
    }

    pub(crate) fn finish(&mut self) -> Check {
        self.tick();
        let now = self.clock;
        let open = self.model.is_open();
        let nothing_changes = !open && self.nothing_to_silence();
        self.call(nothing_changes, |machine| machine.finish(now))?;
        self.model.silence();
        if open {
            self.model.linger(CloseReason::Finished);
        }
        Ok(())
    }

    pub(crate) fn close_after_flush(&mut self) -> Check {
        self.tick();
        let now = self.clock;
        let begins = matches!(self.model.life, Life::Open | Life::Lingering);
        let nothing_changes = !begins && self.nothing_to_silence();
        self.call(nothing_changes, |machine| machine.close_after_flush(now))?;
        self.model.silence();
        if self.model.is_open() {
            self.model.linger(CloseReason::ClosedAfterFlush);
        }
        if self.model.life == Life::Lingering {
            self.model.life = Life::Flushing;
            self.model.settle();
        }
        Ok(())
    }

    pub(crate) fn abort(&mut self) -> Check {
        self.tick();
        let now = self.clock;
        let nothing_changes = self.model.is_past_aborting() && self.nothing_to_silence();
        self.call(nothing_changes, |machine| machine.abort(now))?;
        self.model.silence();
        self.model.abort(CloseReason::Aborted);
        Ok(())
    }

    /// A call for an end that comes too late has nothing to take back either.
    fn nothing_to_silence(&self) -> bool {
        self.model.silent || !self.model.undelivered()
    }

    pub(crate) fn drain_by(&mut self, deadline: Timestamp) -> Check {
        self.tick();
        let now = self.clock;
        let nothing_changes = !self.model.is_live() || deadline >= self.model.clocks.drain_by;
        self.call(nothing_changes, |machine| machine.drain_by(now, deadline))?;
        if !nothing_changes {
            self.model.clocks.drain_by = deadline;
        }
        Ok(())
    }

    pub(crate) fn broken(&mut self, socket: SocketId, fault: Fault) -> Check {
        let ours = socket == self.model.socket;
        let at = if ours { self.clock } else { self.much_later() };
        if ours {
            self.tick();
        }
        let nothing_changes = !ours || self.model.is_past_aborting();
        self.call(nothing_changes, |machine| machine.broken(at, socket, fault))?;
        if ours {
            self.model.seen.insert("broken");
            self.model.abort(CloseReason::Broken(fault));
        }
        Ok(())
    }
}
