//! Since when each time-out runs.

use std::time::Duration;

use sansock::state::Life;
use sansock::{CloseReason, Timestamp};

use super::model::{Fin, Model};
use super::{Check, Span, Target};

/// The times that the time-outs count from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clocks {
    /// Bytes were received.
    pub(crate) received_at: Timestamp,
    /// The application ceased to hold back.
    released_at: Timestamp,
    /// The application began to hold back.
    held_since: Option<Timestamp>,
    /// There was something to send first, or the transport took something.
    pub(crate) send_at: Timestamp,
    /// The application handed bytes over.
    pub(crate) handed_at: Timestamp,
    /// The transport took bytes.
    pub(crate) taken_at: Timestamp,
    pub(crate) eof_at: Timestamp,
    pub(crate) fin_at: Timestamp,
    pub(crate) graceful_at: Option<Timestamp>,
    pub(crate) drain_by: Timestamp,
    /// Failures in a row, and when the next try is allowed, by kind of operation.
    failures: [u32; 4],
    pub(crate) retries: [Option<Timestamp>; 4],
}

/// What a time-out is for, in the order in which they count when several are due.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Cause {
    Drain,
    Closing,
    Gap,
    WriteStall,
    /// Nothing moves after the peer's end: the connection is finished.
    HalfFinish,
    /// Nothing moves after our end: it is aborted.
    HalfAbort,
    Paused,
    ReadIdle,
    Retry(Target),
}

/// A time-out that runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Timer {
    pub(crate) cause: Cause,
    pub(crate) at: Timestamp,
}

impl Clocks {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            received_at: now,
            released_at: now,
            held_since: None,
            send_at: now,
            handed_at: now,
            taken_at: now,
            eof_at: now,
            fin_at: now,
            graceful_at: None,
            drain_by: Timestamp::NEVER,
            failures: [0; 4],
            retries: [None; 4],
        }
    }

    /// The application holds back, or does not, from now on or still.
    pub(crate) fn hold(&mut self, now: Timestamp, holds: bool) {
        if holds {
            self.held_since.get_or_insert(now);
        } else if self.held_since.take().is_some() {
            self.released_at = now;
        }
    }

    /// The operation worked.
    pub(crate) fn succeeded(&mut self, target: Target) {
        self.failures[target as usize] = 0;
    }
}

impl Model {
    /// Something had run out. The delay doubles with each failure of this direction in a row, and it always ends.
    pub(crate) fn retry_later(&mut self, target: Target) {
        let failures = &mut self.clocks.failures[target as usize];
        let first = Duration::from(self.limits.retry);
        let delay = first.saturating_mul(1 << (*failures).min(31)).min(self.limits.longest_retry());
        *failures += 1;
        let last = Timestamp::from_nanos(u64::MAX - 1);
        self.clocks.retries[target as usize] = Some((self.now + delay).min(last));
    }

    /// Every time-out that runs.
    pub(crate) fn timers(&self) -> Vec<Timer> {
        let mut timers = Vec::new();
        if !self.is_live() {
            return timers;
        }
        let clocks = &self.clocks;
        let mut run = |cause, span: Option<Span>, since: &[Timestamp]| {
            if let (Some(span), Some(since)) = (span, since.iter().max()) {
                timers.push(Timer { cause, at: *since + Duration::from(span) });
            }
        };
        if self.queued() > 0 || self.fin == Fin::Asked {
            run(Cause::WriteStall, self.limits.write_stall, &[clocks.send_at]);
        }
        if let Some(since) = clocks.graceful_at {
            run(Cause::Closing, Some(self.limits.closing), &[since]);
            if self.life == Life::Lingering && self.fin == Fin::Done {
                run(Cause::Gap, Some(self.limits.gap), &[since, clocks.fin_at, clocks.received_at]);
            }
        } else if let Some(since) = clocks.held_since {
            run(Cause::Paused, self.limits.paused, &[since]);
        } else if self.eof {
            let moved = [clocks.eof_at, clocks.handed_at, clocks.taken_at, clocks.released_at];
            run(Cause::HalfFinish, self.limits.half_closed, &moved);
        } else if self.fin == Fin::Done {
            run(Cause::HalfAbort, self.limits.half_closed, &[clocks.fin_at, clocks.received_at, clocks.released_at]);
        } else {
            // B7, C9: nothing else counts.
            run(Cause::ReadIdle, self.limits.read_idle, &[clocks.received_at, clocks.released_at]);
        }
        timers.push(Timer { cause: Cause::Drain, at: clocks.drain_by });
        for target in Target::ALL {
            if let Some(at) = clocks.retries[target as usize] {
                timers.push(Timer { cause: Cause::Retry(target), at });
            }
        }
        // F2
        timers.retain(|timer| timer.at != Timestamp::NEVER);
        timers
    }

    /// A10, C7, F2, F10: the next deadline is that of the first time-out.
    pub(crate) fn deadline_agrees(&self, deadline: Option<Timestamp>) -> Check {
        let timers = self.timers();
        let first = timers.iter().map(|timer| timer.at).min();
        ensure!(first == deadline, "F10: the deadline is {deadline:?} at {}, running: {timers:?}", self.now);
        Ok(())
    }

    /// Time-outs were handled.
    pub(crate) fn timed_out(&mut self) {
        let due: Vec<Cause> =
            self.timers().into_iter().filter(|timer| timer.at.is_due(self.now)).map(|timer| timer.cause).collect();
        for target in Target::ALL {
            if due.contains(&Cause::Retry(target)) {
                self.clocks.retries[target as usize] = None;
            }
        }
        // F7
        let Some(first) = due.into_iter().min() else { return };
        self.seen.insert(first.name());
        match first {
            Cause::Drain if self.is_open() => self.abort(CloseReason::DrainDeadline),
            Cause::Drain => self.cut_short(CloseReason::DrainDeadline),
            Cause::Closing => self.cut_short(CloseReason::ClosingTimeout),
            Cause::Gap => self.cut_short(CloseReason::LingerGap),
            Cause::WriteStall => self.abort(CloseReason::WriteStall),
            Cause::HalfFinish => self.linger(CloseReason::HalfClosed),
            Cause::HalfAbort => self.abort(CloseReason::HalfClosed),
            Cause::Paused => self.abort(CloseReason::Paused),
            Cause::ReadIdle => self.linger(CloseReason::ReadIdle),
            Cause::Retry(_) => {}
        }
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
