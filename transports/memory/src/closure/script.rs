//! Telling a way through the states, for people.

use super::expand::{inputs, step, take};
use super::search::Search;
use super::world::{Trace, World};
use super::{Check, Subject};

/// The inputs of a way from the first state on, and what came of each.
pub(super) fn tell<S: Subject>(search: &Search<'_, S>, path: &[u16]) -> Vec<String> {
    let mut lines = Vec::new();
    let Ok(mut world) = search.root() else { return lines };
    for (step, place) in path.iter().enumerate() {
        let inputs = inputs(search, &world);
        let Some(input) = inputs.get(usize::from(*place)) else {
            lines.push(format!("{:4} (the way cannot be followed any further)", step + 1));
            break;
        };
        let mut trace = Trace::with_text();
        let hash = search.hash(&world, &mut Vec::new());
        let taken = take(search, &world, hash, input, &mut trace, &mut Vec::new());
        lines.push(format!("{:4} at {} ns: {input}", step + 1, world.now().as_nanos()));
        lines.extend(trace.text.into_iter().flatten().map(|output| format!("            -> {output}")));
        match taken {
            Ok((next, _)) => world = next,
            Err(_) => break,
        }
    }
    lines.push(format!("     state: {}, {:?}", search.subject.class(&world), world.machine));
    lines
}

/// A way to a state in which a call does not come back: the input, or one of the rules that are checked in every state.
pub(super) fn tell_hanging<S: Subject>(search: &Search<'_, S>, path: &[u16], input: Option<u16>) -> Vec<String> {
    let mut lines = tell(search, path);
    let world = search.root().and_then(|root| follow(search, &root, path));
    let inputs = world.as_ref().map(|world| inputs(search, world)).unwrap_or_default();
    lines.push(match input.and_then(|place| inputs.get(usize::from(place))) {
        Some(input) => format!("     and then: {input}"),
        None => "     and then: outputs, a time-out, or a completion that is to be refused".to_owned(),
    });
    lines
}

/// Goes a way; `Err` says that it cannot be gone. The edges were checked before.
pub(super) fn follow<S: Subject>(search: &Search<'_, S>, from: &World<S>, way: &[u16]) -> Check<World<S>> {
    let mut world = from.clone();
    let mut trace = Trace::default();
    for place in way {
        let inputs = inputs(search, &world);
        let input = inputs.get(usize::from(*place)).ok_or("E4: there is no such input the second time")?;
        trace.clear();
        world = step(search, &world, input, &mut trace)?;
    }
    Ok(world)
}
