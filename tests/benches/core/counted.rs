//! The calls of a machine. Instructions are counted inside these, so that what the bench does between them is not.

use sansock::{Completion, Machine, Output, Timestamp};

/// Of a function whose name begins so, instructions are counted, and of what it calls.
pub(crate) const PREFIX: &str = concat!(module_path!(), "::");

#[inline(never)]
pub(crate) fn poll<M: Machine>(machine: &mut M) -> Option<Output<M::Event>> {
    machine.poll()
}

#[inline(never)]
pub(crate) fn complete<M: Machine>(machine: &mut M, now: Timestamp, done: Completion) {
    machine.complete(now, done).expect("what was submitted is completed once");
}

#[inline(never)]
pub(crate) fn handle_timeout<M: Machine>(machine: &mut M, now: Timestamp) {
    if machine.deadline().is_some_and(|deadline| deadline.is_due(now)) {
        machine.handle_timeout(now);
    }
}
