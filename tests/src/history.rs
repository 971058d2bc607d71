//! What a handler saw, in a form that can be compared between transports.

use std::sync::{Arc, Mutex, PoisonError};

use sansock::{CloseReason, CloseReport, Ending};

/// One thing that a handler saw.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Seen {
    /// The connection was there.
    Open,
    /// So many bytes, however they were cut, and whether they were the right ones.
    Data {
        /// How many.
        length: usize,
        /// Each was what the pattern has at its place.
        intact: bool,
    },
    /// The peer finished.
    PeerFinished,
    /// The end: which of the three, and why, by class.
    Closed {
        /// Which.
        ending: Ending,
        /// Why.
        reason: &'static str,
    },
}

/// All that a handler saw, in order; adjacent data merged, since where a stream is cut is chance.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct History(pub Vec<Seen>);

impl History {
    /// True if the two are the same history. After an abort it is chance how much was delivered before: then the ends must be alike and
    /// the data right.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        match (self.0.last(), other.0.last()) {
            (Some(Seen::Closed { ending: Ending::Aborted, .. }), Some(Seen::Closed { ending: Ending::Aborted, .. })) => {
                self.0.last() == other.0.last() && self.is_intact() && other.is_intact()
            }
            _ => self == other,
        }
    }

    /// True if every byte was the right one.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.0.iter().all(|seen| !matches!(seen, Seen::Data { intact: false, .. }))
    }

    /// How the connection ended.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        match self.0.last() {
            Some(Seen::Closed { ending, .. }) => Some(*ending),
            _ => None,
        }
    }

    /// The bytes that were delivered.
    #[must_use]
    pub fn delivered(&self) -> usize {
        self.0.iter().map(|seen| if let Seen::Data { length, .. } = seen { *length } else { 0 }).sum()
    }
}

/// A history that a handler writes and a test reads.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Mutex<History>>);

impl Recorder {
    /// Adds to the history.
    pub fn note(&self, seen: Seen) {
        let mut history = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Seen::Data { length, intact }, Some(Seen::Data { length: so_far, intact: all })) = (&seen, history.0.last_mut()) {
            *so_far += length;
            *all &= intact;
        } else {
            history.0.push(seen);
        }
    }

    /// Adds the end.
    pub fn note_end(&self, report: &CloseReport) {
        self.note(Seen::Closed { ending: report.ending, reason: class(report.reason) });
    }

    /// The history so far.
    #[must_use]
    pub fn history(&self) -> History {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Which operation a reset hits is chance; what it means is not.
fn class(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Finished => "finished",
        CloseReason::ClosedAfterFlush => "closed after flush",
        CloseReason::Aborted => "aborted",
        CloseReason::Ordered => "ordered",
        CloseReason::ReadIdle => "read idle",
        CloseReason::WriteStall => "write stall",
        CloseReason::HalfClosed => "half-closed",
        CloseReason::Paused => "paused",
        CloseReason::HandlerFailed => "handler failed",
        CloseReason::Fault { .. } | CloseReason::Broken(_) => "fault",
        _ => "other",
    }
}
