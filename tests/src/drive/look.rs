//! Looking at a machine that is driven by hand, and at what it wants.

use std::fmt::Debug;
use std::time::Duration;

use sansock::{Canonical, Machine, Op, OpId, OpKind, Timestamp};

use super::{Contract, Drive, Meaningful};

impl<M> Drive<M>
where
    M: Machine + Canonical,
    M::Event: Meaningful + Debug,
{
    /// The machine.
    pub const fn machine(&self) -> &M {
        &self.machine
    }

    /// What the contract has seen.
    pub const fn contract(&self) -> &Contract {
        &self.contract
    }

    /// The same, to tell it something that the machine cannot: that a socket which was handed out is gone.
    pub const fn contract_mut(&mut self) -> &mut Contract {
        &mut self.contract
    }

    /// The present time.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// How long it is until the machine's deadline.
    pub fn until_deadline(&self) -> Option<Duration> {
        self.machine.deadline().map(|deadline| deadline.saturating_since(self.now))
    }

    /// The one operation of this kind that is in flight.
    pub fn the(&self, kind: OpKind) -> OpId {
        match self.all(kind)[..] {
            [id] => id,
            ref ids => panic!("{} operations of kind {} are in flight: {ids:?}", ids.len(), kind.name()),
        }
    }

    /// The operations of this kind that are in flight, in the order of their sockets.
    pub fn all(&self, kind: OpKind) -> Vec<OpId> {
        self.operations.keys().filter(|id| id.kind() == kind).copied().collect()
    }

    /// An operation that is in flight.
    pub fn op(&self, id: OpId) -> &Op {
        &self.operations[&id]
    }

    /// The kinds of all operations in flight, in the order of their sockets.
    pub fn in_flight(&self) -> Vec<OpKind> {
        self.operations.keys().map(|id| id.kind()).collect()
    }

    /// True if the machine has asked for this operation to be completed.
    pub fn is_cancelled(&self, id: OpId) -> bool {
        self.contract.is_cancelled(id)
    }

    /// What the machine has said since this was last called.
    pub fn events(&mut self) -> Vec<M::Event> {
        std::mem::take(&mut self.events)
    }

    /// The same, in words.
    pub fn said(&mut self) -> Vec<String> {
        self.events().iter().map(|event| format!("{event:?}")).collect()
    }

    /// True once the machine has said its last word.
    pub const fn has_ended(&self) -> bool {
        self.ended
    }

    /// True if the machine had nothing more to say when it was polled last.
    pub const fn is_settled(&self) -> bool {
        self.settled
    }

    /// Everything that was done and said.
    pub fn log(&self) -> &[String] {
        &self.log
    }

    /// The machine's canonical encoding at the present time.
    pub fn canonical(&self) -> Vec<u8> {
        let mut canonical = Vec::new();
        self.machine.canonical(self.now, &mut canonical);
        canonical
    }
}
