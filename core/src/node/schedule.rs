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
    #[inline]
    pub(super) fn mark(&mut self, slot: u32) {
        self.looks.push(slot);
    }

    /// Who is to be looked at next.
    #[inline]
    pub(super) fn next_look(&mut self) -> Option<u32> {
        self.looks.pop()
    }

    /// The member was looked at: it may have something to do, and this deadline.
    #[inline]
    pub(super) fn looked(&mut self, slot: u32, deadline: Timestamp) {
        self.turns.push(slot);
        self.deadlines.bring_forward(slot, deadline);
    }

    /// Whose turn it is, until it is said what comes of it: [`Schedule::had_turn`] or [`Schedule::had_nothing`].
    #[inline]
    pub(super) fn turn(&self) -> Option<u32> {
        self.turns.first()
    }

    /// The member whose turn it was may have more to do: it gets another turn, behind all others.
    #[inline]
    pub(super) fn had_turn(&mut self) {
        self.turns.rotate();
    }

    /// The member whose turn it was had nothing to do.
    #[inline]
    pub(super) fn had_nothing(&mut self) {
        self.turns.pop();
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
    #[inline]
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
    #[inline]
    fn push(&mut self, slot: u32) {
        let Ok(index) = usize::try_from(slot) else { return };
        match self.waits.get_mut(index) {
            Some(waits) => {
                if !core::mem::replace(waits, true) {
                    self.members.push_back(slot);
                }
            }
            None => self.push_first(slot, index),
        }
    }

    /// A slot that is used for the first time.
    #[inline(never)]
    fn push_first(&mut self, slot: u32, index: usize) {
        self.waits.resize(index, false);
        self.waits.push(true);
        self.members.push_back(slot);
    }

    #[inline]
    fn first(&self) -> Option<u32> {
        self.members.front().copied()
    }

    /// The first becomes the last.
    #[inline]
    fn rotate(&mut self) {
        // Mostly there is but one, and nothing to do.
        if self.members.len() > 1
            && let Some(slot) = self.members.pop_front()
        {
            self.members.push_back(slot);
        }
    }

    #[inline]
    fn pop(&mut self) -> Option<u32> {
        let slot = self.members.pop_front()?;
        if let Some(waits) = usize::try_from(slot).ok().and_then(|index| self.waits.get_mut(index)) {
            *waits = false;
        }
        Some(slot)
    }
}
