//! Breadth-first search to the fixed point, in parallel and yet always the same.

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use xxhash_rust::xxh3::xxh3_128;

use super::alphabet::Alphabet;
use super::expand::{Expansion, Target, expand};
use super::graph::{Edge, Graph, MOST_CALLS};
use super::liveness::{Behaviour, judge};
use super::report::{Counts, Report, Violation};
use super::watch::Pulse;
use super::world::World;
use super::{Options, Polling, Subject, script, twins};

/// So many states are expanded by one thread before what was found is merged.
const BATCH: usize = 2_048;

/// A search under way.
pub(super) struct Search<'a, S: Subject> {
    pub(super) subject: &'a S,
    pub(super) options: Options,
    pub(super) alphabet: Alphabet,
    /// Nobody else has it while it changes.
    pub(super) graph: Arc<Graph>,
    pub(super) pulse: Arc<Pulse>,
    counts: Counts,
}

/// A state whose edges are not known yet, and one on the way to it that is kept as a world.
type Open<S> = (u32, Arc<Base<S>>);

/// A state as a world. Worlds are large and states are many: most are made anew from one that came before.
pub(super) struct Base<S: Subject> {
    state: u32,
    world: World<S>,
}

impl<'a, S: Subject> Search<'a, S> {
    pub(super) fn new(subject: &'a S, options: Options, graph: Arc<Graph>, pulse: Arc<Pulse>) -> Self {
        let alphabet = Alphabet::new(options.faults);
        Self { subject, options, alphabet, graph, pulse, counts: Counts::default() }
    }

    pub(super) fn run(mut self) -> Result<Report, Violation> {
        assert!(self.subject.promises().len() <= MOST_CALLS, "so many promises do not fit the edges");
        let begun = Instant::now();
        let depth = self.explore()?;
        let promises = self.keep_promises()?;
        let twins = twins::compare(&self)?;
        Ok(Report {
            name: self.subject.name(),
            states: self.graph.len() as u64,
            edges: self.counts.edges,
            depth,
            elapsed: begun.elapsed(),
            promises,
            twins,
            counts: self.counts,
        })
    }

    pub(super) fn is_lazy(&self) -> bool {
        self.options.polling == Polling::OneAtATime
    }

    /// The first state: with eager polling, after its first outputs were taken.
    pub(super) fn root(&self) -> Result<World<S>, String> {
        let mut world = World::new(self.subject);
        if !self.is_lazy() {
            super::expand::drain(self.subject, &mut world, &mut super::world::Trace::default())?;
        }
        Ok(world)
    }

    pub(super) fn hash(&self, world: &World<S>, encoding: &mut Vec<u8>) -> u128 {
        encoding.clear();
        world.encode(self.subject, encoding);
        xxh3_128(encoding)
    }

    fn explore(&mut self) -> Result<u32, Violation> {
        self.pulse.first();
        let root = self.root().map_err(|rule| self.violation(rule, &[]))?;
        self.pulse.rest(0);
        let hash = self.hash(&root, &mut Vec::new());
        Arc::make_mut(&mut self.graph).add(hash, 0, 0);
        let mut level: Vec<Open<S>> = vec![(0, Arc::new(Base { state: 0, world: root }))];
        let mut depth = 0;
        loop {
            let next = self.level(level)?;
            if let Some(progress) = self.options.progress {
                progress(depth, self.graph.len(), next.len());
            }
            if next.is_empty() {
                return Ok(depth);
            }
            level = next;
            depth += 1;
        }
    }

    /// Expands all states of one depth; gives those of the next.
    fn level(&mut self, mut level: Vec<Open<S>>) -> Result<Vec<Open<S>>, Violation> {
        let mut next = Vec::new();
        let keep = level.len() <= self.options.most_worlds;
        // From the front, so that what was expanded gives its memory back.
        level.reverse();
        while !level.is_empty() {
            let size = (BATCH * self.options.threads).min(level.len());
            let mut batch = level.split_off(level.len() - size);
            batch.reverse();
            self.pulse.know(Some(Arc::clone(&self.graph)));
            let expansions = self.expand_all(&batch, keep);
            self.pulse.know(None);
            for expansion in expansions {
                self.merge(expansion, &mut next)?;
            }
            if self.graph.len() > self.options.most_states {
                let rule =
                    format!("more than {} states were found: the state of the machine is not finite", self.options.most_states);
                let path = next.last().map(|(state, _)| self.graph.path(*state)).unwrap_or_default();
                return Err(self.violation(rule, &path));
            }
        }
        Ok(next)
    }

    /// In the order of the states, whoever expands them. With `keep`, the states become the bases of what is found from them.
    fn expand_all(&self, batch: &[Open<S>], keep: bool) -> Vec<Expansion<S>> {
        let share = batch.len().div_ceil(self.options.threads).max(1);
        if batch.len() <= 64 {
            return vec![self.expand_some(0, batch, keep)];
        }
        let parts = batch.chunks(share).enumerate();
        thread::scope(|scope| {
            let handles: Vec<_> = parts.map(|(thread, part)| scope.spawn(move || self.expand_some(thread, part, keep))).collect();
            handles.into_iter().map(|handle| handle.join().expect("expanding catches panics")).collect()
        })
    }

    fn expand_some(&self, thread: usize, part: &[Open<S>], keep: bool) -> Expansion<S> {
        let mut expansion = Expansion::new(thread);
        for (state, base) in part {
            self.pulse.state(thread, *state);
            let recovered = match self.recover(*state, base) {
                Ok(recovered) => recovered.map(Arc::new),
                Err(rule) => {
                    expansion.broken = Some((*state, None, rule));
                    break;
                }
            };
            let here = recovered.as_ref().unwrap_or(base);
            expand(self, *state, &here.world, if keep { here } else { base }, &mut expansion);
            if expansion.broken.is_some() {
                break;
            }
        }
        self.pulse.rest(thread);
        expansion
    }

    // E4
    /// Makes a state anew from its base, unless it is the base: every state is reached twice, and must be the same.
    fn recover(&self, state: u32, base: &Base<S>) -> Result<Option<Base<S>>, String> {
        if state == base.state {
            return Ok(None);
        }
        let world = script::follow(self, &base.world, &self.graph.way(base.state, state))?;
        let hash = self.hash(&world, &mut Vec::new());
        ensure!(self.graph.find(hash) == Some(state), "E4: the same inputs lead to another state the second time");
        Ok(Some(Base { state, world }))
    }

    fn merge(&mut self, expansion: Expansion<S>, next: &mut Vec<Open<S>>) -> Result<(), Violation> {
        self.counts.add(&expansion.counts);
        let graph = Arc::make_mut(&mut self.graph);
        for found in expansion.found {
            if let Some(state) = graph.add(found.hash, found.parent, found.input) {
                next.push((state, found.base));
            }
        }
        let mut edges = expansion.edges.into_iter().peekable();
        for (state, flags) in expansion.expanded {
            graph.expanded(flags);
            while let Some(edge) = edges.next_if(|edge| edge.from == state) {
                let target = match edge.target {
                    Target::Known(target) => target,
                    Target::New(hash) => graph.find(hash).expect("entered just before"),
                };
                graph.connect(Edge { target, input: edge.input, flags: edge.flags });
            }
        }
        for (state, arrival) in expansion.arrivals {
            if graph.parent(state) != (arrival.from, arrival.input) {
                let kept = graph.others.entry(state).or_insert(arrival);
                *kept = (*kept).min(arrival);
            }
        }
        match expansion.broken {
            None => Ok(()),
            Some((state, input, rule)) => {
                let mut path = self.graph.path(state);
                path.extend(input);
                Err(self.violation(rule, &path))
            }
        }
    }

    fn keep_promises(&self) -> Result<Vec<(String, u32)>, Violation> {
        let mut kept = Vec::new();
        for (place, promise) in self.subject.promises().into_iter().enumerate() {
            let transport = if promise.transport == Behaviour::Dead { "dead" } else { "fair" };
            let rest = if promise.may_wait { ", or at rest" } else { "" };
            let name = match promise.first {
                Some(call) => format!("{call:?}, {transport} transport{rest}"),
                None => format!("deadlines alone, {transport} transport{rest}"),
            };
            match judge(&self.graph, place, promise.first.is_some(), promise.transport, promise.may_wait) {
                Ok(steps) => kept.push((name, steps)),
                Err(unkept) => {
                    let mut path = self.graph.path(unkept.start);
                    path.extend(unkept.way);
                    return Err(self.violation(format!("{name}: {}", unkept.rule), &path));
                }
            }
        }
        Ok(kept)
    }

    pub(super) fn violation(&self, rule: String, path: &[u16]) -> Violation {
        Violation { name: self.subject.name(), rule, script: script::tell(self, path) }
    }
}
