//! Random scripts for one [`Connection`](sansock::Connection), and the oracle that judges every step of them.
//!
//! The oracle is a ledger: what the application handed over, what the transport took, what the peer sent, what was delivered,
//! which operations are in flight, and since when each time-out runs. It was written from the documentation of the core and not
//! from its code, so that a mistake would have to be made twice. It allows one behaviour and no other: where the documentation
//! leaves a choice, the documentation is what needs mending.
//!
//! The property tests (`tests/tests/model.rs`) and the fuzz target (`fuzz/fuzz_targets/operations.rs`) run the same scripts.

macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}

mod clocks;
mod completions;
mod finale;
mod hostile;
mod model;
mod operations;
mod outputs;
mod pattern;
mod run;
mod step;
mod verdict;

use std::collections::BTreeSet;

pub use pattern::Pattern;
pub use run::Run;
pub use step::{Epoch, Finale, Hostile, Limits, Script, Span, Step, Target};

/// `Err` says which rule was broken, and how.
pub type Check<T = ()> = Result<T, String>;

/// Names of things that have happened in a script, to see that random scripts reach everything that matters.
pub type Seen = BTreeSet<&'static str>;

/// What scripts are to reach between them.
pub const MATTERS: &[&str] = &[
    "aborted",
    "broken",
    "cancel",
    "closing took too long",
    "confirmed",
    "data",
    "drain deadline",
    "eof",
    "final fault",
    "half-closed by the peer for too long",
    "half-closed by us for too long",
    "impossible receive",
    "impossible send",
    "linger bytes",
    "linger gap",
    "misuse",
    "paused for too long",
    "queue full",
    "read idle",
    "retry",
    "sent",
    "short send",
    "unconfirmed",
    "writable",
    "write stall",
];

/// Runs the script on a real connection, checks every step, and brings the connection to its end.
///
/// # Errors
/// The rule that was broken and the step at which it was.
pub fn check(script: &Script) -> Check<Seen> {
    let mut run = Run::new(script);
    run.settle().map_err(|error| format!("at the start: {error}"))?;
    for (index, step) in script.steps.iter().enumerate() {
        run.step(step).map_err(|error| format!("at step {index}, {step:?}: {error}"))?;
    }
    run.finale(script.finale).map_err(|error| format!("in the finale, {:?}: {error}", script.finale))?;
    Ok(run.seen())
}
