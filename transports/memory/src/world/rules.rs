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
    /// It has so long after the span.
    pub(super) within: Duration,
    pub(super) holds: Check,
    pub(super) happened: bool,
}

impl Rules {
    /// Looks at everything that is to be looked at after a call. In the last phase also at what must come about: it has time from the
    /// span's end on.
    pub(super) fn check(&mut self, now: Timestamp, last_phase: bool, span: Timestamp) -> Result<(), Violation> {
        for Always { name, holds } in &mut self.always {
            holds().map_err(|problem| Violation::new(name, problem, now))?;
        }
        for sometimes in self.sometimes.iter_mut().filter(|sometimes| !sometimes.seen) {
            sometimes.seen = (sometimes.see)();
        }
        if last_phase {
            for goal in self.eventually.iter_mut().filter(|goal| !goal.happened) {
                match (goal.holds)() {
                    Ok(()) => goal.happened = true,
                    Err(problem) if now > span + goal.within => return Err(Violation::new(&goal.name, problem, now)),
                    Err(_) => {}
                }
            }
        }
        Ok(())
    }

    pub(super) fn everything_has_happened(&self) -> bool {
        self.eventually.iter().all(|goal| goal.happened)
    }

    /// When the last of those that must come about has had its time.
    pub(super) fn last_limit(&self, span: Timestamp) -> Timestamp {
        span + self.eventually.iter().map(|goal| goal.within).max().unwrap_or_default()
    }

    /// The time is over: the first that has not come about is violated.
    pub(super) fn what_did_not_happen(&mut self, now: Timestamp, reason: &str) -> Result<(), Violation> {
        for Eventually { name, holds, .. } in self.eventually.iter_mut().filter(|goal| !goal.happened) {
            holds().map_err(|problem| Violation::new(name, format!("{problem}{reason}"), now))?;
        }
        Ok(())
    }
}
