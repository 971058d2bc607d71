//! Whoever sees every event of a run, to find where a second run differs.

use std::fmt;

use sansock::{NodeEvent, OpId, OpKind, Outcome, Timestamp};

use super::Divergence;
use crate::simulation::{MachineId, Step};

/// Sees every event of a run.
///
/// A run of a world depends on nothing but its scenario, unless the application asks something else: the real time, a hash map with
/// random keys, a global variable. To find out, run a scenario with [`Witness::keeping`], and again with [`Witness::comparing`] what the
/// first one saw: the first event that differs is a violation of [`SAME_RUN`](super::SAME_RUN).
#[derive(Clone, Debug, Default)]
pub struct Witness(Mode);

#[derive(Clone, Debug, Default)]
enum Mode {
    #[default]
    Absent,
    Keeps(Vec<Footprint>),
    Compares {
        first: Vec<Footprint>,
        seen: usize,
    },
}

/// One event of a run, briefly: the last thing that one step of the simulation did, and the hash of all that happened until then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Footprint {
    /// When.
    pub at: Timestamp,
    /// Whose event it was.
    pub machine: MachineId,
    /// What happened.
    pub what: Event,
    /// The hash of everything until then.
    pub hash: u64,
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// An operation was submitted.
    Submitted(OpId),
    /// An operation was completed: with so many bytes, if it moved any, or like this.
    Completed(OpId, usize, &'static str),
    /// The node said something.
    Said,
}

impl Witness {
    /// One that keeps what it sees.
    #[must_use]
    pub const fn keeping() -> Self {
        Self(Mode::Keeps(Vec::new()))
    }

    /// One that compares what it sees with what this one saw.
    #[must_use]
    pub fn comparing(first: Self) -> Self {
        match first.0 {
            Mode::Keeps(first) | Mode::Compares { first, .. } => Self(Mode::Compares { first, seen: 0 }),
            Mode::Absent => Self::default(),
        }
    }

    /// What it keeps.
    #[must_use]
    pub fn footprints(&self) -> &[Footprint] {
        match &self.0 {
            Mode::Absent => &[],
            Mode::Keeps(footprints) | Mode::Compares { first: footprints, .. } => footprints,
        }
    }

    pub(super) const fn is_on(&self) -> bool {
        !matches!(self.0, Mode::Absent)
    }

    pub(super) fn see(&mut self, footprint: Footprint) -> Result<(), Box<Divergence>> {
        match &mut self.0 {
            Mode::Absent => Ok(()),
            Mode::Keeps(footprints) => {
                footprints.push(footprint);
                Ok(())
            }
            Mode::Compares { first, seen } => {
                let expected = first.get(*seen).copied();
                if expected == Some(footprint) {
                    *seen += 1;
                    return Ok(());
                }
                Err(Box::new(Divergence { same: *seen, first: expected, second: Some(footprint) }))
            }
        }
    }

    /// The run is over: a second one must have seen everything that the first one saw.
    pub(super) fn end(&self) -> Result<(), Box<Divergence>> {
        match &self.0 {
            Mode::Compares { first, seen } if *seen < first.len() => {
                Err(Box::new(Divergence { same: *seen, first: first.get(*seen).copied(), second: None }))
            }
            _ => Ok(()),
        }
    }
}

impl Footprint {
    pub(super) fn of(at: Timestamp, machine: MachineId, step: &Step<'_, NodeEvent>) -> Self {
        let what = match step {
            Step::Submitted(op) => Event::Submitted(op.id()),
            Step::Completed(done) => match done.outcome() {
                Outcome::Data(data) => Event::Completed(done.id(), data.len(), "data"),
                Outcome::Sent(count) => Event::Completed(done.id(), *count, "sent"),
                Outcome::Failed(fault) => Event::Completed(done.id(), 0, fault.kind().sentence()),
                other => Event::Completed(done.id(), 0, other.name()),
            },
            Step::Event(_) => Event::Said,
        };
        Self { at, machine, what, hash: 0 }
    }

    pub(super) const fn hashed(self, hash: u64) -> Self {
        Self { hash, ..self }
    }
}

impl fmt::Display for Footprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, machine, what, hash } = self;
        write!(f, "at {at} host {}: ", machine.index())?;
        match what {
            Event::Submitted(id) => write!(f, "submitted {id}")?,
            Event::Completed(id, count, how) if matches!(id.kind(), OpKind::Recv | OpKind::Send) && *count > 0 => {
                write!(f, "{id}: {count} bytes {how}")?;
            }
            Event::Completed(id, _, how) => write!(f, "{id}: {how}")?,
            Event::Said => f.write_str("an event of the node")?,
        }
        write!(f, " ({hash:016x})")
    }
}
