//! What comes of a run.

use std::fmt;
use std::time::Duration;

use sansock::Timestamp;

use super::Witness;
use super::witness::Footprint;
use crate::config::Hits;
use crate::recording::Recording;

/// What came of one run of a world.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The hash of everything that happened; see [`Simulation::trace_hash`](crate::Simulation::trace_hash).
    pub hash: u64,
    /// How much time passed in the simulation.
    pub simulated: Duration,
    /// The rule that was violated first, if any.
    pub violation: Option<Violation>,
    /// How often each thing happened that the network and the scenario make possible.
    pub hits: Hits,
    /// How often each line of the scenario has done something. A line that never fired is 0, and could as well not be there.
    pub lines: Vec<u64>,
    /// What was to be seen sometimes, and whether it was seen in this run.
    pub sometimes: Vec<(String, bool)>,
    /// Whoever saw every event.
    pub witness: Witness,
    /// Everything that happened, if it was [recorded](super::World::record).
    pub recording: Option<Recording>,
}

/// A rule does not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The rule's name.
    pub rule: String,
    /// How it was found out.
    pub problem: String,
    /// When, in the simulation's time.
    pub at: Timestamp,
}

impl Violation {
    pub(super) fn new(rule: &str, problem: String, at: Timestamp) -> Self {
        Self { rule: rule.into(), problem, at }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' is violated at {}: {}", self.rule, self.at, self.problem)
    }
}

/// Two runs of one scenario differ: what each did where they first do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Divergence {
    /// How many events were the same before.
    pub same: usize,
    /// What the first run did then; `None`: nothing any more.
    pub first: Option<Footprint>,
    /// What the second run did.
    pub second: Option<Footprint>,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |side: &Option<Footprint>| side.map_or_else(|| "nothing".to_owned(), |footprint| footprint.to_string());
        let (first, second) = (side(&self.first), side(&self.second));
        write!(f, "after {} equal events the first run did: {first}; the second: {second}", self.same)
    }
}
