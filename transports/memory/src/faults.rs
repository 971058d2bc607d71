//! Faults of operations, addressed by what the operations mean.

use rustc_hash::FxHashMap;
use sansock::{Completion, Op, OpKind, SocketId};

use crate::scenario::{Fault, Outcome};

/// A fault that was injected into a simulation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct InjectionId(u32);

/// The faults of one machine, and the counts that they are addressed by.
#[derive(Debug, Default)]
pub(crate) struct OperationFaults {
    faults: Vec<(InjectionId, Fault)>,
    connections: FxHashMap<SocketId, Connection>,
    /// Connections that were dialled or accepted so far.
    opened: u32,
    /// How many operations of each kind came that belong to no connection.
    others: Counts,
}

#[derive(Debug)]
struct Connection {
    number: u32,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts(FxHashMap<OpKind, u32>);

impl OperationFaults {
    pub(crate) fn add(&mut self, injection: InjectionId, fault: Fault) {
        self.faults.push((injection, fault));
    }

    /// Counts an operation that is submitted. What comes of it, if that is not left to the network.
    pub(crate) fn outcome_of(&mut self, op: &Op) -> Option<(InjectionId, Outcome)> {
        let (kind, socket) = (op.kind(), op.socket());
        if kind == OpKind::Connect {
            self.open(socket);
        }
        // What has no number yet is not among them, such as the connection that an accept may lead to.
        let connection = self.connections.get_mut(&socket);
        let number = connection.as_ref().map(|connection| connection.number);
        let nth = connection.map_or(&mut self.others, |connection| &mut connection.counts).count(kind);
        if kind == OpKind::Close {
            self.connections.remove(&socket);
        }
        let hit = |fault: &Fault| {
            fault.operation == kind
                && fault.nth.matches(nth)
                && number.is_none_or(|number| fault.connection.matches(number))
                && fault.outcome.fits(kind)
        };
        self.faults.iter().find(|(_, fault)| hit(fault)).map(|(injection, fault)| (*injection, fault.outcome))
    }

    /// An accepted connection gets its number.
    pub(crate) fn completed(&mut self, done: &Completion) {
        if done.id().kind() == OpKind::Accept && matches!(done.outcome(), sansock::Outcome::Connected(_)) {
            self.open(done.id().socket());
        }
    }

    /// The machine has crashed. The next one gives its sockets the same names, but they are others.
    pub(crate) fn forget_connections(&mut self) {
        self.connections.clear();
    }

    fn open(&mut self, socket: SocketId) {
        self.opened += 1;
        self.connections.insert(socket, Connection { number: self.opened, counts: Counts::default() });
    }
}

impl Counts {
    /// One more of this kind; how many that makes.
    fn count(&mut self, kind: OpKind) -> u32 {
        let count = self.0.entry(kind).or_default();
        *count = count.saturating_add(1);
        *count
    }
}

impl InjectionId {
    pub(crate) fn new(index: usize) -> Self {
        Self(u32::try_from(index).unwrap_or(u32::MAX))
    }

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }

    pub(crate) const fn number(self) -> u32 {
        self.0
    }
}
