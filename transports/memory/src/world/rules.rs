//! What must hold.

use std::time::Duration;

use sansock::Timestamp;

use super::Violation;

pub(super) type Check = Box<dyn FnMut() -> Result<(), String>>;

/// The rules of a world.
#[derive(Default)]
pub(super) struct Rules {
    pub(super) always: Vec<Always>,
    pub(super) sometimes: Vec<Sometimes>,
    pub(super) eventually: Vec<Eventually>,
    /// When the last phase began: what must come about counts from then on.
    last_phase_since: Option<Timestamp>,
}

pub(super) struct Always {
    pub(super) name: String,
    pub(super) holds: Check,
}

pub(super) struct Sometimes {
    pub(super) name: String,
    pub(super) see: Box<dyn FnMut() -> bool>,
    pub(super) seen: bool,
}

pub(super) struct Eventually {
    pub(super) name: String,
    /// It has so long in the last phase.
    pub(super) within: Duration,
    pub(super) holds: Check,
    pub(super) happened: bool,
}

impl Rules {
    /// Looks at everything that is to be looked at after code of the application has run.
    pub(super) fn check(&mut self, now: Timestamp) -> Result<(), Violation> {
        for Always { name, holds } in &mut self.always {
            holds().map_err(|problem| Violation::new(name, problem, now))?;
        }
        for sometimes in self.sometimes.iter_mut().filter(|sometimes| !sometimes.seen) {
            sometimes.seen = (sometimes.see)();
        }
        if self.last_phase_since.is_some() {
            for goal in self.eventually.iter_mut().filter(|goal| !goal.happened) {
                goal.happened = (goal.holds)().is_ok();
            }
        }
        Ok(())
    }

    /// From now on what must come about has its time.
    pub(super) const fn begin_last_phase(&mut self, now: Timestamp) {
        self.last_phase_since = Some(now);
    }

    /// It is the last phase, and everything has happened that must.
    pub(super) fn are_over(&self) -> bool {
        self.last_phase_since.is_some() && self.next_limit().is_none()
    }

    /// In the last phase: when the first of those that have not come about has had its time.
    pub(super) fn next_limit(&self) -> Option<Timestamp> {
        let since = self.last_phase_since?;
        self.eventually.iter().filter(|goal| !goal.happened).map(|goal| since + goal.within).min()
    }

    /// What has had its time and has not come about is violated; what must still come about, too, if nothing can happen any more.
    pub(super) fn end_of_time(&mut self, now: Timestamp, finished: bool) -> Result<(), Violation> {
        let reason = if finished { ", and nothing more can happen" } else { "" };
        let since = self.last_phase_since.unwrap_or(now);
        let goals = self.eventually.iter_mut().filter(|goal| !goal.happened);
        for goal in goals.filter(|goal| finished || since + goal.within <= now) {
            (goal.holds)().map_err(|problem| Violation::new(&goal.name, format!("{problem}{reason}"), now))?;
            goal.happened = true;
        }
        Ok(())
    }
}
