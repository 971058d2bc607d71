//! What a machine promises from every state: over the graph of all states, not along one schedule.

use super::graph::{DEAD, ENDED, Edge, FAIR, FIRST_CALL, Graph, TIME, WAITS};

/// How the transport behaves while a promise is being kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Behaviour {
    /// Only operations that were cancelled complete, with whatever is legal for them, and Close and Cleanup.
    Dead,
    /// Everything completes, as one would wish: the peer finishes, sends take everything, nobody new connects. No time passes while
    /// an operation that could complete is in flight.
    Fair,
}

/// From every state, once the call was made, the machine ends after a bounded number of steps, whatever the order of polls, completions,
/// time and the owner's duties.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Promise<C> {
    /// The call that it begins with; `None`: nobody calls anything.
    pub first: Option<C>,
    /// What the transport does from then on.
    pub transport: Behaviour,
    /// It may also come to rest in a state in which the machine waits for its application ([`Subject::waits`](super::Subject::waits)).
    pub may_wait: bool,
}

/// A promise that is not kept.
#[derive(Debug)]
pub(super) struct Unkept {
    pub(super) rule: &'static str,
    /// The state that it begins from.
    pub(super) start: u32,
    /// The inputs from there on.
    pub(super) way: Vec<u16>,
}

/// Which edges may be taken.
#[derive(Clone, Copy)]
struct Choice {
    behaviour: Behaviour,
    may_wait: bool,
}

impl Choice {
    /// The edges that lead on from a state; those that lead back to it lead nowhere.
    fn edges(self, graph: &Graph, state: u32) -> impl Iterator<Item = &Edge> {
        let fair = self.behaviour == Behaviour::Fair;
        let mask = if fair { FAIR } else { DEAD };
        let moves = move |edge: &&Edge| edge.flags & mask != 0 && edge.target != state;
        let edges = graph.edges(state);
        let prompt = fair && edges.iter().any(|edge| moves(&edge) && edge.flags & TIME == 0);
        edges.iter().filter(moves).filter(move |edge| !prompt || edge.flags & TIME == 0)
    }
}

const UNKNOWN: u32 = u32::MAX;
const UNDER_WAY: u32 = u32::MAX - 1;

/// The number of steps after which it has ended at the latest.
pub(super) fn judge(graph: &Graph, place: usize, first: bool, behaviour: Behaviour, may_wait: bool) -> Result<u32, Unkept> {
    let choice = Choice { behaviour, may_wait };
    let mut steps = vec![UNKNOWN; graph.len()];
    let mut most = 0;
    for start in 0..u32::try_from(graph.len()).unwrap_or(UNDER_WAY) {
        if first {
            for edge in graph.edges(start).iter().filter(|edge| edge.flags & FIRST_CALL << place != 0) {
                most = most.max(descend(graph, choice, &mut steps, edge.target, start, Some(edge.input))?);
            }
        } else {
            most = most.max(descend(graph, choice, &mut steps, start, start, None)?);
        }
    }
    Ok(most)
}

/// The length of the longest way from here to a state that nothing leads on from.
fn descend(graph: &Graph, choice: Choice, steps: &mut [u32], root: u32, start: u32, call: Option<u16>) -> Result<u32, Unkept> {
    if steps[root as usize] < UNDER_WAY {
        return Ok(steps[root as usize]);
    }
    // The way that is being followed: a state, and how many of its edges were looked at.
    let mut way: Vec<(u32, usize)> = vec![(root, 0)];
    steps[root as usize] = UNDER_WAY;
    let unkept = |rule, way: &[(u32, usize)]| {
        let taken = |(state, looked): &(u32, usize)| {
            choice.edges(graph, *state).nth(looked.saturating_sub(1)).map_or(0, |edge| edge.input)
        };
        let way = call.into_iter().chain(way.iter().filter(|(_, looked)| *looked > 0).map(taken)).collect();
        Unkept { rule, start, way }
    };
    while let Some((state, looked)) = way.last_mut() {
        let state = *state;
        let Some(edge) = choice.edges(graph, state).nth(*looked) else {
            let longest = choice.edges(graph, state).map(|edge| steps[edge.target as usize] + 1).max().unwrap_or(0);
            let at_rest = graph.is(state, ENDED) || (choice.may_wait && graph.is(state, WAITS));
            if longest == 0 && !at_rest {
                return Err(unkept("C7: nothing leads on from here, and it has not ended", &way[..way.len() - 1]));
            }
            steps[state as usize] = longest;
            way.pop();
            continue;
        };
        *looked += 1;
        let target = edge.target;
        match steps[target as usize] {
            UNKNOWN => {
                steps[target as usize] = UNDER_WAY;
                way.push((target, 0));
            }
            UNDER_WAY => return Err(unkept("C8: this leads in a circle", &way)),
            _ => {}
        }
    }
    Ok(steps[root as usize])
}
