//! All edges of one state.

use std::any::Any;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use sansock::{FaultKind, Machine, OpKind, Outcome};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::alphabet::{Input, is_legal, natural};
use super::graph::{Arrival, DEAD, ENDED, FAIR, FIRST_CALL, TIME, WAITS};
use super::report::Counts;
use super::search::{Base, Search};
use super::world::{Trace, World};
use super::{Check, Subject, rules};

/// What was found at some states.
pub(super) struct Expansion<S: Subject> {
    /// The thread that expands.
    thread: usize,
    pub(super) found: Vec<Found<S>>,
    /// The places of the hashes in `found`.
    seen: HashSet<u128>,
    pub(super) edges: Vec<FoundEdge>,
    pub(super) expanded: Vec<(u32, u8)>,
    pub(super) arrivals: Vec<(u32, Arrival)>,
    pub(super) counts: Counts,
    /// A broken rule: the state, the input if it was at an edge, and the rule.
    pub(super) broken: Option<(u32, Option<u16>, String)>,
}

/// A state that was not known before.
pub(super) struct Found<S: Subject> {
    pub(super) hash: u128,
    pub(super) base: Arc<Base<S>>,
    pub(super) parent: u32,
    pub(super) input: u16,
}

pub(super) struct FoundEdge {
    pub(super) from: u32,
    pub(super) target: Target,
    pub(super) input: u16,
    pub(super) flags: u16,
}

#[derive(Clone, Copy)]
pub(super) enum Target {
    Known(u32),
    New(u128),
}

impl<S: Subject> Expansion<S> {
    pub(super) fn new(thread: usize) -> Self {
        Self {
            thread,
            found: Vec::new(),
            seen: HashSet::new(),
            edges: Vec::new(),
            expanded: Vec::new(),
            arrivals: Vec::new(),
            counts: Counts::default(),
            broken: None,
        }
    }
}

/// Every input that is possible in a state, in an order that depends on the state alone.
pub(super) fn inputs<S: Subject>(search: &Search<'_, S>, world: &World<S>) -> Vec<Input<S::Call>> {
    let mut inputs = Vec::new();
    if search.is_lazy() {
        inputs.push(Input::Poll);
    }
    let mut outcomes = Vec::new();
    for flight in world.transport.flights() {
        outcomes.clear();
        search.alphabet.outcomes(flight, &mut outcomes);
        inputs.extend(outcomes.drain(..).map(|outcome| Input::Complete { flight: *flight, outcome }));
    }
    if world.is_due() {
        inputs.push(Input::Timeout);
    }
    if world.machine.deadline().is_some() {
        inputs.extend([Input::Tick, Input::Leap]);
    }
    for (socket, kind) in world.transport.news() {
        inputs.extend(search.alphabet.faults(kind).iter().map(|fault| Input::Broken { socket, fault: *fault }));
    }
    let mut calls = Vec::new();
    search.subject.calls(world, &mut calls);
    inputs.extend(calls.into_iter().map(Input::Call));
    inputs
}

/// Applies an input to a copy of the state and checks the edge.
pub(super) fn take<S: Subject>(
    search: &Search<'_, S>,
    before: &World<S>,
    hash: u128,
    input: &Input<S::Call>,
    trace: &mut Trace,
    encoding: &mut Vec<u8>,
) -> Check<(World<S>, u128)> {
    let subject = search.subject;
    trace.clear();
    // A panic of the machine is a violation like any other.
    let taken = catch_unwind(AssertUnwindSafe(|| step(search, before, input, trace)));
    let world = taken.unwrap_or_else(|panic| Err(format!("H1: a panic: {}", message(panic.as_ref()))))?;
    let after = search.hash(&world, encoding);
    rules::edge(subject, before, &world, input, after == hash, trace)?;
    Ok((world, after))
}

/// Applies an input to a copy of the state.
pub(super) fn step<S: Subject>(
    search: &Search<'_, S>,
    before: &World<S>,
    input: &Input<S::Call>,
    trace: &mut Trace,
) -> Check<World<S>> {
    let subject = search.subject;
    let mut world = before.clone();
    world.apply(subject, input, trace)?;
    subject.check(before, &mut world, input)?;
    if !search.is_lazy() {
        drain(subject, &mut world, trace)?;
    }
    Ok(world)
}

/// Polls until there is nothing more.
pub(super) fn drain<S: Subject>(subject: &S, world: &mut World<S>, trace: &mut Trace) -> Check {
    let deadline = world.machine.deadline();
    let mut left = subject.most_outputs();
    while world.poll(subject, trace)? {
        ensure!(left > 0, "B5: more than {} outputs at one input: {:?}", subject.most_outputs(), trace.names);
        left -= 1;
    }
    let now = world.machine.deadline();
    ensure!(now == deadline || subject.polling_acts(), "C8: polling has moved the deadline from {deadline:?} to {now:?}");
    // C7
    let stuck = world.transport.flights().is_empty() && now.is_none() && !subject.ended(world) && !subject.waits(world);
    ensure!(!stuck, "C7: nothing is in flight, no deadline is armed, and it has not ended ({})", subject.class(world));
    Ok(())
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("without a message").to_owned()
}

/// Takes every edge of a state. What is found will be made anew from `base`.
pub(super) fn expand<S: Subject>(
    search: &Search<'_, S>,
    state: u32,
    world: &World<S>,
    base: &Arc<Base<S>>,
    into: &mut Expansion<S>,
) {
    let subject = search.subject;
    let mut encoding = Vec::new();
    let hash = search.hash(world, &mut encoding);
    let held = catch_unwind(AssertUnwindSafe(|| rules::state(subject, world, search.is_lazy(), &encoding)));
    if let Err(rule) = held.unwrap_or_else(|panic| Err(format!("H1: a panic: {}", message(panic.as_ref())))) {
        into.broken = Some((state, None, rule));
        return;
    }
    let at_rest = (u8::from(subject.ended(world)) * ENDED) | (u8::from(subject.waits(world)) * WAITS);
    into.expanded.push((state, at_rest));
    *into.counts.classes.entry(subject.class(world)).or_default() += 1;
    let promises = subject.promises();
    let mut trace = Trace::default();
    for (place, input) in inputs(search, world).into_iter().enumerate() {
        let place = u16::try_from(place).expect("an alphabet has fewer than 65,536 inputs");
        search.pulse.input(into.thread, state, place);
        let (_, after) = match take(search, world, hash, &input, &mut trace, &mut encoding) {
            Ok(taken) => taken,
            Err(rule) => {
                into.broken = Some((state, Some(place), rule));
                return;
            }
        };
        count(&mut into.counts, hash, &input, after, &mut trace);
        let mut flags = tags(subject, world, &input, after == hash);
        for (bit, promise) in promises.iter().enumerate() {
            if promise.first.is_some_and(|call| input == Input::Call(call)) {
                flags |= FIRST_CALL << bit;
            }
        }
        arrive(search, (state, place, flags), after, base, into);
    }
}

/// Counts an edge, and enters it into the hash of all.
fn count<C>(counts: &mut Counts, from: u128, input: &Input<C>, to: u128, trace: &mut Trace) {
    counts.edges += 1;
    counts.loops += u64::from(from == to);
    *counts.inputs.entry(input.name()).or_default() += 1;
    for name in &trace.names {
        *counts.outputs.entry(name).or_default() += 1;
    }
    let told = &mut trace.told;
    told.behaviour.append(&mut told.account);
    told.behaviour.extend_from_slice(input.name().as_bytes());
    told.behaviour.extend_from_slice(&from.to_le_bytes());
    told.behaviour.extend_from_slice(&to.to_le_bytes());
    counts.hash = counts.hash.wrapping_add(xxh3_128(&told.behaviour));
}

/// Over which transports an edge may be taken.
fn tags<S: Subject>(subject: &S, world: &World<S>, input: &Input<S::Call>, unchanged: bool) -> u16 {
    if unchanged {
        return 0;
    }
    match input {
        Input::Poll => DEAD | FAIR,
        Input::Tick | Input::Leap | Input::Timeout => DEAD | FAIR | TIME,
        Input::Call(call) if subject.is_duty(world, *call) => DEAD | FAIR,
        Input::Call(_) | Input::Broken { .. } => 0,
        Input::Complete { flight, outcome } => {
            let always = matches!(flight.id.kind(), OpKind::Close | OpKind::Cleanup);
            let dead = (flight.cancelled || always) && is_legal(flight, outcome);
            let gave_up = flight.cancelled && *outcome == Outcome::Failed(FaultKind::Cancelled.into());
            let fair = gave_up || natural(flight).as_ref() == Some(outcome);
            (u16::from(dead) * DEAD) | (u16::from(fair) * FAIR)
        }
    }
}

fn arrive<S: Subject>(
    search: &Search<'_, S>,
    (from, input, flags): (u32, u16, u16),
    hash: u128,
    base: &Arc<Base<S>>,
    into: &mut Expansion<S>,
) {
    let target = match search.graph.find(hash) {
        Some(known) => {
            let lot = xxh3_64(&(u64::from(from) << 16 | u64::from(input)).to_le_bytes());
            if known != from && super::twins::is_chosen(&search.options, hash) {
                into.arrivals.push((known, Arrival { lot, from, input }));
            }
            Target::Known(known)
        }
        None => Target::New(hash),
    };
    if flags != 0 {
        into.edges.push(FoundEdge { from, target, input, flags });
    }
    if matches!(target, Target::New(_)) && into.seen.insert(hash) {
        into.found.push(Found { hash, base: Arc::clone(base), parent: from, input });
    }
}
