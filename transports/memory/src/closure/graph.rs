//! The states that were found, without the states: a hash each, the way to it, and the edges that liveness is judged by.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// The edge may be taken over a dead transport.
pub(super) const DEAD: u16 = 1;
/// The edge may be taken over a fair transport.
pub(super) const FAIR: u16 = 2;
/// Time passes, or a time-out fires: a fair transport does not wait for that while it has something to do.
pub(super) const TIME: u16 = 4;
/// The edge is the first call of the first promise; the next bits are those of the next ones.
pub(super) const FIRST_CALL: u16 = 8;
/// So many promises can begin with a call of their own.
pub(super) const MOST_CALLS: usize = 13;

/// The machine has ended.
pub(super) const ENDED: u8 = 1;
/// The machine waits for its application, and says so in its documentation.
pub(super) const WAITS: u8 = 2;

/// Leads from one state to another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    pub(super) target: u32,
    /// The place of the input in the alphabet of the state that it leads from.
    pub(super) input: u16,
    pub(super) flags: u16,
}

/// One way into a state.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Arrival {
    /// Decides which of many arrivals is kept: as good as chance, and the same in every run.
    pub(super) lot: u64,
    pub(super) from: u32,
    pub(super) input: u16,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Graph {
    index: HashMap<u128, u32, BuildHasherDefault<Low>>,
    /// By state: where it was found from, and by which input.
    parents: Vec<(u32, u16)>,
    flags: Vec<u8>,
    /// By state: where its edges begin.
    starts: Vec<u64>,
    edges: Vec<Edge>,
    /// Another way into some of the states.
    pub(super) others: HashMap<u32, Arrival>,
}

impl Graph {
    pub(super) fn find(&self, hash: u128) -> Option<u32> {
        self.index.get(&hash).copied()
    }

    /// Enters a state; `None` if it is known.
    pub(super) fn add(&mut self, hash: u128, parent: u32, input: u16) -> Option<u32> {
        let next = u32::try_from(self.parents.len()).ok()?;
        if self.index.contains_key(&hash) {
            return None;
        }
        self.index.insert(hash, next);
        self.parents.push((parent, input));
        Some(next)
    }

    /// The edges of the next state in order.
    pub(super) fn expanded(&mut self, flags: u8) {
        self.flags.push(flags);
        self.starts.push(self.edges.len() as u64);
    }

    pub(super) fn connect(&mut self, edge: Edge) {
        self.edges.push(edge);
    }

    pub(super) fn len(&self) -> usize {
        self.parents.len()
    }

    pub(super) fn edges(&self, state: u32) -> &[Edge] {
        let state = state as usize;
        let end = self.starts.get(state + 1).copied().unwrap_or(self.edges.len() as u64);
        &self.edges[self.starts[state] as usize..end as usize]
    }

    pub(super) fn is(&self, state: u32, flag: u8) -> bool {
        self.flags[state as usize] & flag != 0
    }

    /// The inputs that lead to a state, from the first state on: a shortest way.
    pub(super) fn path(&self, state: u32) -> Vec<u16> {
        self.way(0, state)
    }

    /// The last part of that, from a state on the way.
    pub(super) fn way(&self, from: u32, mut state: u32) -> Vec<u16> {
        let mut way = Vec::new();
        while state != from {
            let (parent, input) = self.parents[state as usize];
            way.push(input);
            state = parent;
        }
        way.reverse();
        way
    }

    pub(super) fn parent(&self, state: u32) -> (u32, u16) {
        self.parents[state as usize]
    }
}

/// Hashes are hashed already.
#[derive(Default)]
pub(super) struct Low(u64);

impl Hasher for Low {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }

    fn write_u128(&mut self, value: u128) {
        self.0 = value as u64;
    }
}
