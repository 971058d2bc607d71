//! The application's calls.

use sansock::state::Life;
use sansock::{CloseReason, Fault, Machine, SocketId, Stream, Timestamp, UnsentReason};

use super::model::{Expect, Model};
use super::{Check, Pattern, Run};

impl Model {
    /// Nothing waits to be told: a call that comes too late has nothing to take back.
    fn nothing_pends(&self) -> bool {
        self.writable == Expect::MustNot && self.delivered == self.wire && self.told_eof == self.eof
    }

    /// The life is over, and already as badly as it can be.
    fn is_past_aborting(&self) -> bool {
        match self.life {
            Life::Closing | Life::Closed => true,
            Life::Ending => self.both_finished,
            Life::Open | Life::Lingering | Life::Flushing => false,
        }
    }

    /// A call that ends the connection came too late. Whether it takes back what was not yet told is not said.
    fn silence_late(&mut self) {
        if self.delivery == Expect::Must {
            self.delivery = Expect::May;
        }
        if self.writable == Expect::Must {
            self.writable = Expect::May;
        }
    }
}

impl Run {
    // A1, B1, B7, D13
    pub(crate) fn send(&mut self, length: usize) -> Check {
        self.tick();
        let (now, model) = (self.clock, &self.model);
        let data = Pattern::OURS.bytes(model.accepted, length);
        let (accepts, room) = (model.accepts(), model.room());
        let taken = room.min(length);
        let nothing_changes = length == 0 || !accepts || (taken == 0 && model.blocked);
        let offered = data.clone();
        let answer = self.call(nothing_changes, move |machine| machine.send(now, offered.clone()))?;
        if length == 0 {
            ensure!(answer.is_ok() || !accepts, "B7: sending nothing gave {answer:?}");
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
        model.blocked |= refused == Some(UnsentReason::Full);
        if taken > 0 {
            if model.queued() == 0 {
                model.clocks.queue_at = model.now;
            }
            model.accepted += taken;
            model.clocks.stirred(model.now);
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
            model.clocks.hold(model.now);
            model.clocks.stirred(model.now);
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
            self.wants_more();
            self.model.settle(self.machine.life());
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
            self.wants_more();
        }
        Ok(())
    }

    fn wants_more(&mut self) {
        let model = &mut self.model;
        if model.holding() || (model.eof/*KNOWN1*/) {
            model.clocks.hold(model.now)
        } else {
            model.clocks.release(model.now)
        }
        model.clocks.stirred(model.now);
    }

    pub(crate) fn half_close(&mut self) -> Check {
        self.tick();
        let now = self.clock;
        let nothing_changes = !self.model.accepts();
        self.call(nothing_changes, |machine| machine.half_close(now))?;
        let model = &mut self.model;
        if !nothing_changes {
            model.ask_fin();
            model.clocks.half_ended(model.now);
            if model.writable == Expect::Must {
                model.writable = Expect::May;
            }
        }
        Ok(())
    }

    pub(crate) fn finish(&mut self) -> Check {
        self.tick();
        let now = self.clock;
        let open = self.model.is_open();
        let nothing_changes = !open && self.model.nothing_pends();
        self.call(nothing_changes, |machine| machine.finish(now))?;
        if open {
            self.model.silence();
            self.model.linger(&[CloseReason::Finished]);
            self.model.settle(self.machine.life());
        } else {
            self.model.silence_late();
        }
        Ok(())
    }

    pub(crate) fn close_after_flush(&mut self) -> Check {
        self.tick();
        let now = self.clock;
        let begins = matches!(self.model.life, Life::Open | Life::Lingering);
        let nothing_changes = !begins && self.model.nothing_pends();
        self.call(nothing_changes, |machine| machine.close_after_flush(now))?;
        // Whether what has already arrived is still delivered is not said.
        self.model.silence_late();
        if begins {
            if self.model.is_open() {
                self.model.linger(&[CloseReason::ClosedAfterFlush]);
            }
            self.model.life = Life::Flushing;
            self.model.settle(self.machine.life());
        }
        Ok(())
    }

    pub(crate) fn abort(&mut self) -> Check {
        self.tick();
        let now = self.clock;
        let live = self.model.is_live();
        let nothing_changes = self.model.is_past_aborting() && self.model.nothing_pends();
        self.call(nothing_changes, |machine| machine.abort(now))?;
        if live {
            self.model.silence();
        } else {
            self.model.silence_late();
        }
        self.model.abort(CloseReason::Aborted);
        Ok(())
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
