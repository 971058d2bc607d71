//! What the last report may say of the ending.

use sansock::{CloseReason, Ending};

use super::Check;

/// The endings and reasons that the documentation allows for what has happened. Mostly one of each; several only where two
/// time-outs were due at once, or where something happened while the connection was already on its way out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    reasons: Vec<CloseReason>,
    cuts: Vec<CloseReason>,
    cut_required: bool,
    endings: Vec<Ending>,
}

impl Verdict {
    /// The connection begins to end gracefully. The first reason stays.
    pub(crate) fn begin(&mut self, reasons: &[CloseReason]) {
        if self.reasons.is_empty() {
            self.reasons = reasons.to_vec();
        }
    }

    /// An open connection ends at once.
    pub(crate) fn abort(&mut self, reason: CloseReason) {
        self.reasons.push(reason);
        self.endings = vec![Ending::Aborted];
    }

    /// Something cuts a graceful ending short.
    pub(crate) fn cut(&mut self, reason: CloseReason, aborts: bool) {
        self.cuts.push(reason);
        self.cut_required = true;
        self.endings = vec![if aborts { Ending::Aborted } else { Ending::Unconfirmed }];
    }

    /// Something aborts a connection that was on its way out already, but not confirmed. What is an abort stays one.
    pub(crate) fn cut_late(&mut self, reason: CloseReason) {
        if !self.endings.contains(&Ending::Aborted) {
            self.endings.push(Ending::Aborted);
            self.cuts.push(reason);
        }
    }

    /// Everything has happened that the ending waits for.
    pub(crate) fn settle(&mut self, confirmed: bool) {
        self.endings = vec![if confirmed { Ending::Confirmed } else { Ending::Unconfirmed }];
    }

    /// What was missing came after all, from an operation that was being cancelled: A4 says that the facts decide, and does not
    /// say whether the facts at the end or those when the ending was decided.
    pub(crate) fn late(&mut self, ending: Ending) {
        if !self.endings.contains(&ending) {
            self.endings.push(ending);
        }
    }

    /// Two explanations for an open connection that has ended at once: a graceful time-out may have come first.
    pub(crate) fn explain(&mut self, first: &[CloseReason], cuts: &[CloseReason]) {
        self.reasons = first.iter().chain(cuts).copied().collect();
        self.cuts = cuts.to_vec();
        self.endings = vec![Ending::Aborted];
    }

    pub(crate) fn allows(&self, ending: Ending, reason: CloseReason, cut_short: Option<CloseReason>) -> Check {
        ensure!(self.endings.contains(&ending), "A4: the ending is {ending:?}, the ledger allows {:?}", self.endings);
        ensure!(self.reasons.contains(&reason), "A4: the reason is {reason:?}, the ledger allows {:?}", self.reasons);
        match cut_short {
            None => ensure!(!self.cut_required, "A4: nothing cut the ending short, the ledger says {:?}", self.cuts),
            Some(cut) => ensure!(self.cuts.contains(&cut), "A4: cut short by {cut:?}, the ledger allows {:?}", self.cuts),
        }
        Ok(())
    }
}
