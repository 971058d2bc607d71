//! What the last report must say of the ending.

use sansock::{CloseReason, Ending};

/// The ending so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Verdict {
    /// Why the connection began to end: the first reason stays.
    pub(crate) reason: Option<CloseReason>,
    /// What cut a graceful ending short: the first such thing stays.
    pub(crate) cut_short: Option<CloseReason>,
    /// Something has ended it at once.
    pub(crate) aborted: bool,
}

impl Verdict {
    /// A graceful ending begins.
    pub(crate) fn begin(&mut self, reason: CloseReason) {
        self.reason.get_or_insert(reason);
    }

    /// Something comes between: it is the reason of the ending, or cuts one short that has begun.
    pub(crate) fn interrupt(&mut self, reason: CloseReason) {
        if self.reason.is_none() {
            self.reason = Some(reason);
        } else {
            self.cut_short.get_or_insert(reason);
        }
    }

    /// A4: the facts decide, those at the close.
    pub(crate) fn ending(&self, complete: bool) -> Ending {
        match (complete, self.aborted) {
            (true, _) => Ending::Confirmed,
            (false, true) => Ending::Aborted,
            (false, false) => Ending::Unconfirmed,
        }
    }
}
