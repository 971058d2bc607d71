//! A machine that goes round in circles within one call would hang the search. It is watched from another thread.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::graph::Graph;
use super::report::{Report, Violation};
use super::search::Search;
use super::{Options, Subject, script};

/// Nothing of the machine is running.
const IDLE: u64 = u64::MAX;
/// In place of an input: the rules of a state are being checked.
const RULES: u16 = u16::MAX;
/// So often in the time that a call may take it is looked at. What counts is how often nothing has moved, and not the time that has passed:
/// a process that was stopped in between is no machine that hangs.
const LOOKS: u32 = 8;

/// What each thread of a search is doing.
#[derive(Debug)]
pub(super) struct Pulse {
    threads: Vec<AtomicU64>,
    /// The states that were found before.
    graph: Mutex<Option<Arc<Graph>>>,
}

impl Pulse {
    pub(super) fn new(threads: usize) -> Self {
        Self { threads: (0..threads.max(1)).map(|_| AtomicU64::new(IDLE)).collect(), graph: Mutex::new(None) }
    }

    /// The machine is asked for its first state.
    pub(super) fn first(&self) {
        self.set(0, 0);
    }

    /// The rules of this state are checked.
    pub(super) fn state(&self, thread: usize, state: u32) {
        self.input(thread, state, RULES);
    }

    /// This input is applied in this state.
    pub(super) fn input(&self, thread: usize, state: u32, input: u16) {
        self.set(thread, u64::from(state) << 16 | u64::from(input));
    }

    /// Nothing is running any more in this thread.
    pub(super) fn rest(&self, thread: usize) {
        self.set(thread, IDLE);
    }

    /// From now on states are expanded whose ways are in this graph; or they were.
    pub(super) fn know(&self, graph: Option<Arc<Graph>>) {
        *self.graph.lock().unwrap_or_else(PoisonError::into_inner) = graph;
    }

    fn set(&self, thread: usize, what: u64) {
        if let Some(place) = self.threads.get(thread) {
            place.store(what, Ordering::Relaxed);
        }
    }

    fn look(&self) -> Vec<u64> {
        self.threads.iter().map(|place| place.load(Ordering::Relaxed)).collect()
    }
}

/// Counts how often a thread was found at the same place.
#[derive(Debug, Default)]
struct Patience {
    last: Vec<u64>,
    same: Vec<u32>,
}

impl Patience {
    /// The place at which a thread has been for too long.
    fn exhausted_by(&mut self, now: Vec<u64>) -> Option<u64> {
        self.same.resize(now.len(), 0);
        self.last.resize(now.len(), IDLE);
        for ((same, last), now) in self.same.iter_mut().zip(&self.last).zip(&now) {
            *same = if *now == *last && *now != IDLE { *same + 1 } else { 0 };
        }
        self.last = now;
        let stuck = self.same.iter().position(|same| *same >= LOOKS)?;
        self.last.get(stuck).copied()
    }
}

/// Runs the search in a thread of its own. If one call does not come back, that thread is left to itself.
pub(super) fn run<S: Subject>(subject: &S, options: Options) -> Result<Report, Violation> {
    let pulse = Arc::new(Pulse::new(options.threads));
    let (tell, told) = channel();
    let (own, seen) = (subject.clone(), Arc::clone(&pulse));
    let search = move || {
        // Whoever asked may have given up.
        let _ = tell.send(Search::new(&own, options, Arc::default(), seen).run());
    };
    let thread = thread::Builder::new().name("closure".to_owned()).spawn(search).expect("a thread can be started");
    let mut patience = Patience::default();
    loop {
        match told.recv_timeout(options.patience / LOOKS) {
            Ok(result) => return result,
            Err(RecvTimeoutError::Timeout) => {
                if let Some(place) = patience.exhausted_by(pulse.look()) {
                    return Err(hangs(subject, options, &pulse, place));
                }
            }
            // It has panicked: a bug of the search or of the subject, for the machine's own are caught.
            Err(RecvTimeoutError::Disconnected) => match thread.join() {
                Err(panic) => resume_unwind(panic),
                Ok(()) => unreachable!("a search sends its result before it ends"),
            },
        }
    }
}

fn hangs<S: Subject>(subject: &S, options: Options, pulse: &Pulse, place: u64) -> Violation {
    let rule = format!("B5: a call has not come back for {:?}", options.patience);
    let graph = pulse.graph.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let script = match graph {
        None => vec!["     in the first state".to_owned()],
        Some(graph) => {
            let state = u32::try_from(place >> 16).unwrap_or(0);
            let input = Some((place & u64::from(u16::MAX)) as u16).filter(|input| *input != RULES);
            let path = graph.path(state);
            script::tell_hanging(&Search::new(subject, options, graph, Arc::new(Pulse::new(1))), &path, input)
        }
    };
    Violation { name: subject.name(), rule, script }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_moves_or_rests_is_never_taken_for_one_that_hangs() {
        let mut patience = Patience::default();
        for look in 0..100 {
            assert_eq!(patience.exhausted_by(vec![IDLE, look]), None);
        }
        for _ in 0..LOOKS {
            assert_eq!(patience.exhausted_by(vec![IDLE, 7]), None);
        }
        assert_eq!(patience.exhausted_by(vec![IDLE, 7]), Some(7));
    }
}
