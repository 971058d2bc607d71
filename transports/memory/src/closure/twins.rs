//! Is the encoding honest? Two machines that encode alike must behave alike, or the search has taken two states for one.

use super::expand::{inputs, take};
use super::report::Violation;
use super::script::{follow, tell};
use super::search::Search;
use super::world::Trace;
use super::{Options, Subject};

/// True if another way into this state is to be kept.
pub(super) fn is_chosen(options: &Options, hash: u128) -> bool {
    options.twins > 0 && hash.is_multiple_of(u128::from(options.twins))
}

// E1, E4
/// Goes both ways to each state of the sample, and compares what every input does there. The number of states compared.
pub(super) fn compare<S: Subject>(search: &Search<'_, S>) -> Result<u64, Violation> {
    let mut chosen: Vec<_> = search.graph.others.iter().collect();
    chosen.sort();
    for (state, arrival) in &chosen {
        let mut other = search.graph.path(arrival.from);
        other.push(arrival.input);
        let first = search.graph.path(**state);
        if let Err(rule) = compare_one(search, &first, &other) {
            let mut violation = search.violation(rule, &first);
            violation.script.push("the other way:".to_owned());
            violation.script.extend(tell(search, &other));
            return Err(violation);
        }
    }
    Ok(chosen.len() as u64)
}

fn compare_one<S: Subject>(search: &Search<'_, S>, first: &[u16], other: &[u16]) -> Result<(), String> {
    let root = search.root()?;
    let one = follow(search, &root, first)?;
    let two = follow(search, &root, other)?;
    let mut encoding = Vec::new();
    let hash = search.hash(&one, &mut encoding);
    ensure!(search.hash(&two, &mut encoding) == hash, "E4: two ways that led to one state lead to two");
    let (ones, twos) = (inputs(search, &one), inputs(search, &two));
    ensure!(ones.len() == twos.len(), "two states encode alike and differ in what can happen in them");
    for (input, twin) in ones.iter().zip(&twos) {
        let [mut first, mut second] = [Trace::default(), Trace::default()];
        let (_, left) = take(search, &one, hash, input, &mut first, &mut encoding)?;
        let (_, right) = take(search, &two, hash, twin, &mut second, &mut encoding)?;
        let alike = left == right && first.told.behaviour == second.told.behaviour;
        ensure!(alike, "two states encode alike and behave differently at: {input}");
    }
    Ok(())
}
