//! Since when each time-out runs.

use std::time::Duration;

use sansock::state::Life;
use sansock::{CloseReason, Timestamp};

use super::model::{Expect, Fin, Model};
use super::{Check, Target};

/// The times that the time-outs count from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clocks {
    /// Bytes were received, or receiving was wanted again.
    pub(crate) wanted_at: Timestamp,
    /// Bytes were received.
    pub(crate) data_at: Timestamp,
    /// The queue was empty before, or the transport took something.
    pub(crate) queue_at: Timestamp,
    /// One direction ended, or something moved since. The second one counts whatever could be taken for a movement.
    pub(crate) half_since: Option<(Timestamp, Timestamp)>,
    /// The application has stopped wanting data. The second one counts every call that could be taken for a new pause.
    pub(crate) held_since: Option<(Timestamp, Timestamp)>,
    pub(crate) graceful_at: Option<Timestamp>,
    /// Our FIN was asked for.
    pub(crate) fin_asked_at: Timestamp,
    pub(crate) fin_at: Timestamp,
    pub(crate) drain_by: Timestamp,
    /// An operation was tried again before: the delay may have doubled.
    pub(crate) retried: bool,
}

/// A receive or send that failed because something had run out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retry {
    /// Not before this.
    earliest: Timestamp,
    /// At this at the latest.
    latest: Timestamp,
    /// A time-out was handled since, so that it may be tried again.
    pub(crate) ready: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cause {
    ReadIdle,
    WriteStall,
    /// Nothing moves after the peer's end: the connection is finished.
    HalfFinish,
    /// Nothing moves after our end: it is aborted.
    HalfAbort,
    Paused,
    Closing,
    Gap,
    Drain,
    Retry(Target),
}

impl Cause {
    pub(crate) fn reason(self) -> Option<CloseReason> {
        Some(match self {
            Self::ReadIdle => CloseReason::ReadIdle,
            Self::WriteStall => CloseReason::WriteStall,
            Self::HalfFinish | Self::HalfAbort => CloseReason::HalfClosed,
            Self::Paused => CloseReason::Paused,
            Self::Closing => CloseReason::ClosingTimeout,
            Self::Gap => CloseReason::LingerGap,
            Self::Drain => CloseReason::DrainDeadline,
            Self::Retry(_) => return None,
        })
    }
}

/// When a time-out fires: not before `earliest` (F6), and when a time-out is handled at `latest` or later, it has fired (F4).
/// They are the same wherever the documentation leaves no choice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) cause: Cause,
    pub(crate) earliest: Timestamp,
    pub(crate) latest: Timestamp,
}

impl Clocks {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            wanted_at: now,
            data_at: now,
            queue_at: now,
            half_since: None,
            held_since: None,
            graceful_at: None,
            fin_asked_at: now,
            fin_at: now,
            drain_by: Timestamp::NEVER,
            retried: false,
        }
    }

    /// One direction has begun to end.
    pub(crate) fn half_ended(&mut self, now: Timestamp) {
        self.half_since = Some((self.half_since.map_or(now, |(first, _)| first), now));
    }

    /// Bytes have moved.
    pub(crate) fn moved(&mut self, now: Timestamp) {
        self.half_since = self.half_since.map(|_| (now, now));
    }

    /// The application has done something that could be taken for a movement.
    pub(crate) fn stirred(&mut self, now: Timestamp) {
        self.half_since = self.half_since.map(|(first, _)| (first, now));
    }

    /// The application does not want data: from now on, or still.
    pub(crate) fn hold(&mut self, now: Timestamp) {
        self.held_since = Some((self.held_since.map_or(now, |(first, _)| first), now));
    }

    /// The application wants data again.
    pub(crate) fn release(&mut self, now: Timestamp) {
        if self.held_since.take().is_some() {
            self.wanted_at = now;
        }
    }
}

impl Model {
    /// An operation has to be tried again.
    pub(crate) fn retry_later(&mut self, target: Target) {
        let first = Duration::from(self.limits.retry);
        let most = if self.clocks.retried { self.limits.longest_retry() } else { first };
        self.clocks.retried = true;
        self.retries[target as usize] = Some(Retry { earliest: self.now + first, latest: self.now + most, ready: false });
    }

    /// Every time-out that runs, or that may be running.
    pub(crate) fn windows(&self) -> Vec<Window> {
        let mut windows = Vec::new();
        let mut add = |cause, span: Option<Duration>, since: (Timestamp, Timestamp), certain: bool| {
            if let Some(span) = span {
                let latest = if certain { since.1 + span } else { Timestamp::NEVER };
                windows.push(Window { cause, earliest: since.0 + span, latest });
            }
        };
        let (limits, clocks, now) = (&self.limits, &self.clocks, self.now);
        let span = |span: Option<super::Span>| span.map(Duration::from);
        if !self.is_live() {
            return windows;
        }
        if self.queued() > 0 {
            add(Cause::WriteStall, span(limits.write_stall), (clocks.queue_at, clocks.queue_at), true);
        } else if self.fin == Fin::Asked {
            // Whether our FIN counts as something that the transport has to take is not said.
            let since = clocks.queue_at.max(clocks.fin_asked_at);
            add(Cause::WriteStall, span(limits.write_stall), (since, since), false);
        }
        if self.is_open() {
            let wants = !self.eof && !self.holding();
            if wants && self.fin != Fin::Done {
                let since = (clocks.wanted_at, clocks.wanted_at);
                // Whether a half-close counts from the call or from our FIN is not said.
                add(Cause::ReadIdle, span(limits.read_idle), since, self.fin == Fin::Unasked);
            }
            if let Some(since) = clocks.held_since {
                add(Cause::Paused, span(limits.paused), since, !self.eof);
            }
            if let Some(since) = clocks.half_since {
                if self.eof {
                    add(Cause::HalfFinish, span(limits.half_closed), since, self.fin == Fin::Unasked && !self.holding());
                }
                if self.fin != Fin::Unasked {
                    add(Cause::HalfAbort, span(limits.half_closed), since, self.fin == Fin::Done && !self.holding());
                }
            }
        }
        if let Some(since) = clocks.graceful_at {
            add(Cause::Closing, Some(limits.closing.into()), (since, since), true);
            if self.life == Life::Lingering && self.fin == Fin::Done && !self.eof {
                let since = clocks.fin_at.max(clocks.data_at).max(since);
                add(Cause::Gap, Some(limits.gap.into()), (since, since), true);
            }
        }
        windows.push(Window { cause: Cause::Drain, earliest: clocks.drain_by, latest: clocks.drain_by });
        for target in Target::ALL {
            if let Some(retry) = self.retries[target as usize] {
                let latest = if self.wants(target) == Expect::Must { retry.latest } else { Timestamp::NEVER };
                windows.push(Window {
                    cause: Cause::Retry(target),
                    earliest: retry.earliest.min(now.max(retry.earliest)),
                    latest,
                });
            }
        }
        windows
    }

    /// F2, F10, C7: the next deadline is that of the first time-out.
    pub(crate) fn deadline_agrees(&self, deadline: Option<Timestamp>) -> Check {
        let windows = self.windows();
        let earliest = windows.iter().map(|window| window.earliest).min().unwrap_or(Timestamp::NEVER);
        let latest = windows.iter().map(|window| window.latest).min().unwrap_or(Timestamp::NEVER);
        let deadline = deadline.unwrap_or(Timestamp::NEVER);
        ensure!(
            earliest <= deadline && deadline <= latest,
            "F10: the deadline is {deadline} at {}, it must be in {earliest} to {latest}; running: {windows:?}",
            self.now
        );
        // C7: whoever switches every time-out on is never left alone.
        let limits = &self.limits;
        let all_on = [limits.read_idle, limits.write_stall, limits.half_closed, limits.paused].iter().all(Option::is_some);
        let saturated = windows.iter().any(|window| window.earliest == Timestamp::NEVER && window.cause != Cause::Drain);
        ensure!(
            !self.is_live() || !all_on || saturated || deadline != Timestamp::NEVER,
            "C7: every time-out is on, and none runs: {:?}, {windows:?}",
            self.life
        );
        Ok(())
    }

    /// Time-outs were handled: `life` is what became of the connection.
    pub(crate) fn timed_out(&mut self, life: Life) -> Check {
        let windows = self.windows();
        let due = |time: fn(&Window) -> Timestamp| {
            windows.iter().filter(|window| time(window).is_due(self.now)).map(|window| window.cause).collect::<Vec<_>>()
        };
        let (may, must) = (due(|window| window.earliest), due(|window| window.latest));
        let must: Vec<Cause> = must.into_iter().filter(|cause| cause.reason().is_some()).collect();
        for target in Target::ALL {
            if let Some(retry) = &mut self.retries[target as usize] {
                retry.ready |= retry.earliest.is_due(self.now);
                if retry.latest.is_due(self.now) {
                    self.retries[target as usize] = None;
                }
            }
        }
        for cause in &may {
            self.seen.insert(cause.name());
        }
        if life == self.life {
            ensure!(must.is_empty(), "F4: {must:?} due at {} did nothing", self.now);
            return Ok(());
        }
        let reasons = |causes: &[Cause]| {
            may.iter().filter(|cause| causes.contains(cause)).filter_map(|cause| cause.reason()).collect::<Vec<_>>()
        };
        let graceful = reasons(&[Cause::ReadIdle, Cause::HalfFinish]);
        let abrupt = reasons(&[Cause::WriteStall, Cause::HalfAbort, Cause::Paused, Cause::Drain]);
        let cuts = reasons(&[Cause::WriteStall, Cause::Closing, Cause::Gap, Cause::Drain]);
        match (self.life, life) {
            (Life::Open, Life::Lingering) => {
                ensure!(!graceful.is_empty(), "F6: lingering at {}, but no graceful time-out is due: {windows:?}", self.now);
                let still = must.iter().any(|cause| matches!(cause, Cause::WriteStall | Cause::Drain));
                ensure!(!still, "F4: {must:?} due at {} only made it linger", self.now);
                self.linger(&graceful);
                // Whether a time-out's `finish` also keeps back what has already arrived is not said.
                self.delivery = Expect::May;
                self.writable = if self.writable == Expect::Must { Expect::May } else { self.writable };
            }
            (Life::Open, Life::Ending) => {
                ensure!(!abrupt.is_empty(), "F6: ended at {}, but no time-out that aborts is due: {windows:?}", self.now);
                self.abort(abrupt[0]);
                self.verdict.explain(&graceful, &abrupt);
                self.delivery = if self.delivery == Expect::Must { Expect::May } else { self.delivery };
            }
            (Life::Lingering | Life::Flushing, Life::Ending) => {
                ensure!(!cuts.is_empty(), "F6: cut short at {}, but nothing is due: {windows:?}", self.now);
                self.cut_short(&cuts);
            }
            (from, to) => return Err(format!("a time-out led from {from:?} to {to:?}")),
        }
        Ok(())
    }
}

impl Cause {
    fn name(self) -> &'static str {
        match self {
            Self::ReadIdle => "read idle",
            Self::WriteStall => "write stall",
            Self::HalfFinish => "half-closed by the peer for too long",
            Self::HalfAbort => "half-closed by us for too long",
            Self::Paused => "paused for too long",
            Self::Closing => "closing took too long",
            Self::Gap => "linger gap",
            Self::Drain => "drain deadline",
            Self::Retry(_) => "retry",
        }
    }
}
