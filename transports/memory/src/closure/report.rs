//! What a search has found, for people and for files.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What is counted while states are found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Counts {
    pub(super) edges: u64,
    /// Edges that lead back to where they came from.
    pub(super) loops: u64,
    /// States by class.
    pub(super) classes: BTreeMap<&'static str, u64>,
    /// Edges by input.
    pub(super) inputs: BTreeMap<&'static str, u64>,
    /// Outputs by name.
    pub(super) outputs: BTreeMap<&'static str, u64>,
    /// The sum of the hashes of all edges: it does not depend on their order.
    pub(super) hash: u128,
}

impl Counts {
    pub(super) fn add(&mut self, other: &Self) {
        self.edges += other.edges;
        self.loops += other.loops;
        self.hash = self.hash.wrapping_add(other.hash);
        let maps = [(&mut self.classes, &other.classes), (&mut self.inputs, &other.inputs), (&mut self.outputs, &other.outputs)];
        for (into, from) in maps {
            for (name, count) in from {
                *into.entry(name).or_default() += count;
            }
        }
    }
}

/// A closure: every reachable state was found, and every rule holds at every edge.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// What was searched.
    pub name: String,
    /// The number of states.
    pub states: u64,
    /// The number of edges between them; each is one input in one state.
    pub edges: u64,
    /// The number of inputs on the way to the state that was found last.
    pub depth: u32,
    /// How long it took.
    pub elapsed: Duration,
    /// Each promise, and after how many steps it is kept at the latest.
    pub promises: Vec<(String, u32)>,
    /// States that were reached a second time by another way, and compared input by input.
    pub twins: u64,
    pub(super) counts: Counts,
}

impl Report {
    /// The hash of all states, all edges and all outputs. A machine whose behaviour changes in any reachable state has another.
    #[must_use]
    pub const fn hash(&self) -> u128 {
        self.counts.hash
    }

    /// How often an output was seen: the name of a kind of operation, or what the subject calls an event.
    #[must_use]
    pub fn outputs(&self, name: &str) -> u64 {
        self.counts.outputs.get(name).copied().unwrap_or(0)
    }

    /// The text of the golden file: everything but the time.
    #[must_use]
    pub fn golden(&self) -> String {
        self.to_string()
    }

    /// The head of the table that [`Report::row`] gives the rows of.
    pub const HEAD: &'static str =
        "| machine | states | edges | last new state at depth | seconds |\n| --- | ---: | ---: | ---: | ---: |";

    /// A row of a table in Markdown.
    #[must_use]
    pub fn row(&self) -> String {
        let seconds = self.elapsed.as_secs_f64();
        format!("| {} | {} | {} | {} | {seconds:.1} |", self.name, self.states, self.edges, self.depth)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.name)?;
        writeln!(f, "hash {:032x}", self.counts.hash)?;
        writeln!(f, "states {}", self.states)?;
        writeln!(f, "edges {}, of which {} change nothing", self.edges, self.counts.loops)?;
        writeln!(f, "last new state at depth {}", self.depth)?;
        let parts = [("states", &self.counts.classes), ("inputs", &self.counts.inputs), ("outputs", &self.counts.outputs)];
        for (title, counts) in parts {
            writeln!(f, "{title}:")?;
            for (name, count) in counts {
                writeln!(f, "  {name} {count}")?;
            }
        }
        writeln!(f, "from every state:")?;
        for (promise, steps) in &self.promises {
            writeln!(f, "  {promise}: over after at most {steps} steps")?;
        }
        Ok(())
    }
}

/// A rule is broken. The script is a shortest way there, from the first state on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// What was searched.
    pub name: String,
    /// Which rule, and how.
    pub rule: String,
    /// The inputs and what came of them, a line each.
    pub script: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.name, self.rule)?;
        for line in &self.script {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Violation {}
