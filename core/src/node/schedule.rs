//! Whose turn it is, who is to be looked at, and when the next time-out is due: for all members of a node, by slot.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::deadlines::Deadlines;
use crate::Timestamp;

/// What is scheduled for a slot stays when the member in it changes: a turn with nothing to do, or a look too early, does no harm.
#[derive(Clone, Debug, Default)]
pub(super) struct Schedule {
    turns: Queue,
    looks: Queue,
    senders: Queue,
    deadlines: Deadlines,
}

/// Members that wait, each at most once.
#[derive(Clone, Debug, Default)]
struct Queue {
    members: VecDeque<u32>,
    waits: Vec<bool>,
}

impl Schedule {
    /// The member was mutated: it is to be looked at.
    pub(super) fn mark(&mut self, slot: u32) {
        self.looks.push(slot);
    }

    /// Who is to be looked at next.
    pub(super) fn next_look(&mut self) -> Option<u32> {
        self.looks.pop()
    }

    /// The member was looked at: it may have something to do, and this deadline.
    pub(super) fn looked(&mut self, slot: u32, deadline: Timestamp) {
        self.turns.push(slot);
        self.deadlines.bring_forward(slot, deadline);
    }

    /// Whose turn it is. It is followed by [`Schedule::again`] if the member may have more to do.
    pub(super) fn next_turn(&mut self) -> Option<u32> {
        self.turns.pop()
    }

    /// The member gets another turn, behind all others.
    pub(super) fn again(&mut self, slot: u32) {
        self.turns.push(slot);
    }

    /// The member has messages to other members.
    pub(super) fn sends(&mut self, slot: u32) {
        self.senders.push(slot);
    }

    /// Whose message is delivered next.
    pub(super) fn next_sender(&mut self) -> Option<u32> {
        self.senders.pop()
    }

    /// True if messages wait to be delivered.
    pub(super) fn has_senders(&self) -> bool {
        !self.senders.members.is_empty()
    }

    /// Takes one member that is due.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Option<u32> {
        self.deadlines.take_due(now)
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.deadlines.earliest()
    }
}

impl Queue {
    fn push(&mut self, slot: u32) {
        let Ok(index) = usize::try_from(slot) else { return };
        if self.waits.len() <= index {
            self.waits.resize(index.saturating_add(1), false);
        }
        if let Some(waits) = self.waits.get_mut(index)
            && !core::mem::replace(waits, true)
        {
            self.members.push_back(slot);
        }
    }

    fn pop(&mut self) -> Option<u32> {
        let slot = self.members.pop_front()?;
        if let Some(waits) = usize::try_from(slot).ok().and_then(|index| self.waits.get_mut(index)) {
            *waits = false;
        }
        Some(slot)
    }
}
