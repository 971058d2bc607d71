//! Every script ends: over a dead transport and over a fair one.

use sansock::state::Life;
use sansock::{Machine, Outcome, Timestamp};

use super::model::Fin;
use super::{Check, Finale, Run, Target};

/// More rounds than any ending over a dead transport needs: each round completes what was cancelled, or handles a deadline.
const MOST_ROUNDS: usize = 32;

impl Run {
    pub(crate) fn finale(&mut self, finale: Finale) -> Check {
        self.settle()?;
        match finale {
            Finale::AbortOverDeadTransport => self.dead(true, Self::abort),
            Finale::FinishOverDeadTransport => self.dead(true, Self::finish),
            Finale::FlushOverDeadTransport => self.dead(true, Self::close_after_flush),
            Finale::DrainOverDeadTransport => self.dead(true, |run| run.drain_by(run.clock)),
            Finale::TimeoutsOverDeadTransport => self.dead(false, |_| Ok(())),
            Finale::FinishOverFairTransport(most) => self.fair(usize::from(most), true, Self::finish),
            Finale::FinishTowardsSilentPeer(most) => self.fair(usize::from(most), false, Self::finish),
            Finale::FlushOverFairTransport(most) => self.fair(usize::from(most), true, Self::close_after_flush),
        }
    }

    // C2, C3: only what was cancelled completes, and Close; deadlines do the rest.
    fn dead(&mut self, certain: bool, call: impl Fn(&mut Self) -> Check) -> Check {
        self.input(call)?;
        for _ in 0..MOST_ROUNDS {
            if self.model.reported {
                return self.nothing_more();
            }
            if self.model.flights().any(|(_, flight)| flight.cancelled) {
                self.input(Self::complete_cancelled)?;
            } else if self.model.flight(Target::Close).is_some() {
                self.input(|run| run.complete(Target::Close, &Outcome::Done))?;
            } else if self.machine.deadline().is_some() {
                self.input(|run| run.handle_deadline().map(drop))?;
            } else {
                // Whoever switches the time-outs off waits for ever.
                ensure!(!certain || self.never_ends(), "C2: nothing is in flight that could end it, and no deadline runs");
                return self.dead(true, Self::abort);
            }
        }
        Err(format!("C2: not closed after {MOST_ROUNDS} rounds over a dead transport: {:?}", self.model))
    }

    /// F2: the time for closing, or the drain's, ends beyond the end of time.
    fn never_ends(&self) -> bool {
        let closing = self.model.clocks.graceful_at.is_some_and(|at| at + self.model.limits.closing.into() == Timestamp::NEVER);
        closing || self.model.now == Timestamp::NEVER
    }

    // C1: a fair transport takes everything, and a fair peer ends after us; a silent one costs no more than the linger gap.
    fn fair(&mut self, most: usize, peer_ends: bool, call: impl Fn(&mut Self) -> Check) -> Check {
        let graceful = self.model.is_live();
        let mut waited = false;
        self.input(call)?;
        // A long queue is not sent byte by byte: each round looks at all of it.
        let most = if most == 0 { usize::MAX } else { most.max(self.model.queued() / 64) };
        let rounds = MOST_ROUNDS + self.model.queued();
        for _ in 0..rounds {
            if self.model.reported {
                let done = self.model.queued() == 0 && self.model.fin == Fin::Done;
                ensure!(!graceful || waited || done, "C1: {} bytes were lost over a fair transport", self.model.queued());
                return self.nothing_more();
            }
            waited |= !self.fair_round(most, peer_ends)?;
        }
        Err(format!("C1: not closed after {rounds} rounds over a fair transport: {:?}", self.model))
    }

    /// One completion, or if there is none the next deadline; false for that.
    fn fair_round(&mut self, most: usize, peer_ends: bool) -> Check<bool> {
        let model = &self.model;
        if model.flights().any(|(_, flight)| flight.cancelled) {
            self.input(Self::complete_cancelled)?;
        } else if let Some(flight) = model.flight(Target::Send) {
            let count = flight.size.min(most);
            self.input(|run| run.complete(Target::Send, &Outcome::Sent(count)))?;
        } else if model.flight(Target::Shutdown).is_some() {
            self.input(|run| run.complete(Target::Shutdown, &Outcome::Done))?;
        } else if model.flight(Target::Close).is_some() {
            self.input(|run| run.complete(Target::Close, &Outcome::Done))?;
        } else if peer_ends && model.fin == Fin::Done && model.flight(Target::Recv).is_some() {
            self.input(|run| run.complete(Target::Recv, &Outcome::Eof))?;
        } else if self.machine.deadline().is_some() {
            self.input(|run| run.handle_deadline().map(drop))?;
            return Ok(false);
        } else {
            ensure!(!peer_ends && self.never_ends(), "C7: nothing completes, no deadline, not closed");
            self.input(Self::abort)?;
            return Ok(false);
        }
        Ok(true)
    }

    fn input(&mut self, input: impl FnOnce(&mut Self) -> Check) -> Check {
        input(self)?;
        self.model.agrees_with(&self.machine)?;
        self.settle()
    }

    // A10: after the last event there is nothing, whatever comes.
    fn nothing_more(&mut self) -> Check {
        ensure!(self.model.life == Life::Closed, "a report in {:?}", self.model.life);
        ensure!(self.machine.deadline().is_none(), "A12: a time-out outlives its connection");
        for input in [Self::abort, Self::finish, Self::half_close, Self::pause, Self::handle_timeout] {
            self.input(input)?;
        }
        self.send(1)
    }
}
