//! What is said at the end.

use std::ops::Range;
use std::time::Duration;

use sansock_memory::campaign::{Saved, Tally};
use sansock_memory::scenario::Scenario;
use serde_json::{Value, json};

use crate::args::Application;

/// What one campaign has come to.
pub(crate) struct Report {
    pub(crate) application: Application,
    pub(crate) seeds: Range<u64>,
    pub(crate) took: Duration,
    pub(crate) tally: Tally,
    /// The files of the failure, and the scenario before it was made small.
    pub(crate) saved: Option<(Saved, Scenario)>,
}

impl Report {
    pub(crate) fn print(&self) {
        let Self { application, tally, .. } = self;
        let rate = tally.runs as f64 / self.took.as_secs_f64();
        let simulated = tally.simulated.as_secs();
        println!("{}: {} runs, {rate:.0} a second; {simulated} s simulated", application.name(), tally.runs);
        println!("  {} of them run twice, and the same both times", tally.repeated);
        let faults: Vec<String> = tally.faults.iter().map(|(kind, hits)| format!("{kind} {hits}")).collect();
        println!("  faults: {}", faults.join(", "));
        println!("  {} of {} lines of scenarios never fired", tally.unfired, tally.lines);
        for (name, count) in &tally.sometimes {
            println!("  sometimes '{name}': in {count} runs{}", if *count == 0 { ", NEVER" } else { "" });
        }
        match (&tally.failure, &self.saved) {
            (Some(failure), Some((saved, original))) => {
                println!("  violated by seed {}, with {} lines:\n", original.seed, original.lines.len());
                println!("made small in {} runs:\n{}", failure.runs, failure.text());
                print_files(saved);
            }
            _ => println!("  no rule was violated"),
        }
    }

    fn json(&self) -> Value {
        let Self { application, seeds, tally, .. } = self;
        let failure = self.saved.as_ref().zip(tally.failure.as_ref()).map(|((saved, original), failure)| {
            let violation = failure.outcome.violation.as_ref();
            json!({
                "rule": violation.map(|violation| &violation.rule),
                "problem": violation.map(|violation| &violation.problem),
                "hash": format!("{:016x}", failure.outcome.hash),
                "original": original.to_string(),
                "scenario": failure.scenario.to_string(),
                "files": [&saved.scenario, &saved.picture, &saved.capture],
            })
        });
        json!({
            "application": application.name(),
            "seeds": [seeds.start, seeds.end],
            "runs": tally.runs,
            "repeated": tally.repeated,
            "seconds": self.took.as_secs_f64(),
            "simulated_seconds": tally.simulated.as_secs_f64(),
            "faults": tally.faults,
            "lines": tally.lines,
            "unfired": tally.unfired,
            "sometimes": tally.sometimes,
            "failure": failure,
        })
    }
}

/// All campaigns as one object.
pub(crate) fn json(reports: &[Report]) -> Value {
    json!({ "campaigns": reports.iter().map(Report::json).collect::<Vec<_>>() })
}

pub(crate) fn print_files(saved: &Saved) {
    println!("scenario: {}", saved.scenario.display());
    println!("picture:  {}", saved.picture.display());
    println!("capture:  {}", saved.capture.display());
    println!("again:    cargo run --release --example simulate -- --replay {}", saved.scenario.display());
}
