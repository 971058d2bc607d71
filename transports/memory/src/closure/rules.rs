//! What must hold at every state and at every edge, whatever the machine is.

use sansock::{Completion, FaultKind, Machine, OpId, OpKind, SocketId, Timestamp};

use super::alphabet::{Input, fits, sample, sorts, strangers};
use super::world::{Trace, World};
use super::{Check, Subject};

/// A time so late that it would show in every deadline.
const LATER: Timestamp = Timestamp::from_secs(1_000_000);

/// The rules of one edge.
pub(super) fn edge<S: Subject>(
    subject: &S,
    before: &World<S>,
    after: &World<S>,
    input: &Input<S::Call>,
    unchanged: bool,
    trace: &Trace,
) -> Check {
    let (counted, known) = (after.machine.in_flight(), after.transport.flights().len());
    ensure!(counted == known, "A9: the machine counts {counted} operations in flight, the transport has {known}");
    match input {
        Input::Poll => {
            let (was, is) = (before.machine.deadline(), after.machine.deadline());
            ensure!(was == is, "C8: polling has moved the deadline from {was:?} to {is:?}");
        }
        Input::Timeout => {
            let due = after.machine.deadline().filter(|deadline| deadline.is_due(after.now()));
            ensure!(due.is_none(), "C8: a time-out was handled and the deadline is still {due:?} at {:?}", after.now());
        }
        _ => {}
    }
    if subject.ended(before) {
        ensure!(unchanged && trace.names.is_empty(), "A10: something happened after the last event");
    } else if subject.ended(after) {
        ended(after)?;
    }
    Ok(())
}

/// Nothing is left after the last event.
fn ended<S: Subject>(world: &World<S>) -> Check {
    ensure!(world.transport.flights().is_empty(), "A9: it has ended with operations in flight: {:?}", world.transport.flights());
    let left: Vec<SocketId> = world.transport.sockets().collect();
    ensure!(left.is_empty(), "A8: it has ended and has not closed {left:?}");
    let deadline = world.machine.deadline();
    ensure!(deadline.is_none(), "A12: it has ended with a deadline at {deadline:?}");
    Ok(())
}

/// The rules of one state, on copies of it.
pub(super) fn state<S: Subject>(subject: &S, world: &World<S>, lazy: bool, encoding: &[u8]) -> Check {
    if lazy {
        drains(subject, world)?;
    }
    ignores(subject, world, encoding)?;
    refuses(subject, world, encoding)?;
    clamps(subject, world)
}

// B5
/// Outputs end, after a constant number, and do not move the deadline.
fn drains<S: Subject>(subject: &S, world: &World<S>) -> Check {
    let mut copy = world.clone();
    let mut trace = Trace::default();
    let mut count = 0;
    while copy.poll(subject, &mut trace)? {
        count += 1;
        ensure!(
            count <= subject.most_outputs(),
            "B5: more than {} outputs and no input: {:?}",
            subject.most_outputs(),
            trace.names
        );
    }
    let (was, is) = (world.machine.deadline(), copy.machine.deadline());
    ensure!(was == is, "C8: polling has moved the deadline from {was:?} to {is:?}");
    if subject.ended(world) {
        ensure!(count == 0, "A10: outputs after the last event: {:?}", trace.names);
    }
    // C7
    let stuck = copy.transport.flights().is_empty() && is.is_none() && !subject.ended(&copy) && !subject.waits(&copy);
    ensure!(!stuck, "C7: nothing is in flight, no deadline is armed, and it has not ended ({})", subject.class(&copy));
    Ok(())
}

// D12, F3
/// A time-out that is not due, and news of a socket that nobody has.
fn ignores<S: Subject>(subject: &S, world: &World<S>, encoding: &[u8]) -> Check {
    if !world.is_due() {
        let mut copy = world.clone();
        copy.machine.handle_timeout(world.now());
        same(subject, &copy, encoding, || {
            "D12: a time-out was handled though none was due, and something has changed".to_owned()
        })?;
    }
    let mut copy = world.clone();
    if let Some(nobody) = SocketId::new(1_000, 7) {
        copy.machine.broken(world.now(), nobody, FaultKind::ConnectionReset.into());
        same(subject, &copy, encoding, || "D1: news of a socket that nobody has changed something".to_owned())?;
    }
    Ok(())
}

// D1 to D5, D9, D13
/// Unknown, stale, repeated, wrong-kind completions are refused and change nothing, not even the time.
fn refuses<S: Subject>(subject: &S, world: &World<S>, encoding: &[u8]) -> Check {
    let mut copy = world.clone();
    let mut wrong = Vec::new();
    for flight in world.transport.flights() {
        let kind = flight.id.kind();
        wrong.extend(sorts().into_iter().filter(|outcome| !fits(kind, outcome)).map(|outcome| (flight.id, outcome)));
        wrong.extend(strangers(flight.id).map(|id| (id, sample(kind))));
    }
    let in_flight = |id: OpId| world.transport.flights().iter().any(|flight| flight.id == id);
    let repeated = world.transport.completed().iter().copied();
    let never = world.transport.sockets().flat_map(|socket| OpKind::ALL.map(|kind| OpId::new(socket, kind, 0)));
    wrong.extend(repeated.chain(never).filter(|id| !in_flight(*id)).map(|id| (id, sample(id.kind()))));
    for (id, outcome) in &wrong {
        let taken = copy.machine.complete(LATER, Completion::from_raw(*id, outcome.clone()));
        ensure!(taken.is_err(), "D4: {id} was completed with {} and nobody waited for it", outcome.name());
    }
    same(subject, &copy, encoding, || {
        let culprit = wrong.iter().find(|(id, outcome)| {
            let mut copy = world.clone();
            let _ = copy.machine.complete(LATER, Completion::from_raw(*id, outcome.clone()));
            same(subject, &copy, encoding, String::new).is_err()
        });
        format!("D9: a completion was refused and something has changed: {culprit:?}")
    })
}

// F1
/// A clock that was set back is no earlier than before.
fn clamps<S: Subject>(subject: &S, world: &World<S>) -> Check {
    let [mut back, mut level] = [world.clone(), world.clone()];
    back.machine.handle_timeout(Timestamp::ZERO);
    level.machine.handle_timeout(world.heard());
    let mut encoding = Vec::new();
    level.encode(subject, &mut encoding);
    same(subject, &back, &encoding, || "F1: a clock that was set back made a difference".to_owned())
}

fn same<S: Subject>(subject: &S, world: &World<S>, encoding: &[u8], rule: impl FnOnce() -> String) -> Check {
    let mut now = Vec::with_capacity(encoding.len());
    world.encode(subject, &mut now);
    let differs = now.iter().zip(encoding).position(|(one, other)| one != other).unwrap_or(now.len().min(encoding.len()));
    if now == encoding { Ok(()) } else { Err(format!("{} (from byte {differs} of the encoding on)", rule())) }
}
