//! What the runs of a campaign have seen.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Failure;
use crate::scenario::Scenario;
use crate::world::Outcome;

/// What the runs of a campaign have seen.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// How many runs there were, those that were repeated counted once.
    pub runs: u64,
    /// How many of them were run twice and were the same.
    pub repeated: u64,
    /// The time that passed in the simulations.
    pub simulated: Duration,
    /// How often each kind of fault has hit.
    pub faults: BTreeMap<String, u64>,
    /// How many lines of scenarios there were, and how many of them have done nothing.
    pub lines: u64,
    /// See `lines`.
    pub unfired: u64,
    /// In how many runs each thing was seen that should be seen sometimes. One that is 0 after a long campaign says that the campaign does
    /// not test what it is meant to.
    pub sometimes: BTreeMap<String, u64>,
    /// The first violation.
    pub failure: Option<Failure>,
}

impl Tally {
    pub(super) fn count(&mut self, scenario: &Scenario, outcome: &Outcome, repeated: bool) {
        self.runs += 1;
        self.repeated += u64::from(repeated && outcome.violation.is_none());
        self.simulated += outcome.simulated;
        for (line, hits) in scenario.lines.iter().zip(&outcome.lines) {
            self.lines += 1;
            self.unfired += u64::from(*hits == 0);
            *self.faults.entry(line.kind().to_owned()).or_default() += hits;
        }
        for (name, seen) in &outcome.sometimes {
            *self.sometimes.entry(name.clone()).or_default() += u64::from(*seen);
        }
    }

    /// What should have been seen in some run, and was not.
    pub fn never_seen(&self) -> impl Iterator<Item = &str> {
        self.sometimes.iter().filter(|(_, count)| **count == 0).map(|(name, _)| name.as_str())
    }
}
