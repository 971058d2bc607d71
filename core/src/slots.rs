//! Giving out names for sockets.

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;

use crate::{MAX_SLOTS, Misuse, MisuseKind, SocketId, encode};

/// A slot has a name for each attempt of a dialer, or each connection of a server: this leaves it 65,535 at least.
pub(crate) const LAST_BEGINNING: u32 = u32::MAX - 0xffff;

/// A range of slots, and the generation that their names begin with. Machines that share a transport get ranges that do not overlap; one that
/// takes the place of another which has ended gets that one's slots under later generations.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SlotRange {
    first: u32,
    count: u32,
    generation: u32,
}

impl SlotRange {
    /// Every slot there is.
    pub const ALL: Self = Self { first: 0, count: MAX_SLOTS, generation: 0 };

    /// `count` slots from `first` on, none of which was used before; `None` if they go beyond [`MAX_SLOTS`].
    #[must_use]
    pub const fn new(first: u32, count: u32) -> Option<Self> {
        if first.saturating_add(count) <= MAX_SLOTS { Some(Self { first, count, generation: 0 }) } else { None }
    }

    /// The `count` slots from the one of this name on, to be used from its generation on.
    pub(crate) const fn from_name(name: SocketId, count: u32) -> Self {
        Self { first: name.slot(), count, generation: name.generation() }
    }

    /// The first slot.
    #[must_use]
    pub const fn first(self) -> u32 {
        self.first
    }

    /// The number of slots.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.count
    }

    /// The generation of each slot's first name.
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.generation
    }

    /// The same slots, to be used from this generation on; `None` if a machine that begins so late might run out of names in the middle of
    /// its life.
    pub(crate) const fn beginning_with(self, generation: u32) -> Option<Self> {
        if generation <= LAST_BEGINNING { Some(Self { generation, ..self }) } else { None }
    }

    /// True if `slot` lies in the range.
    #[must_use]
    pub const fn contains(self, slot: u32) -> bool {
        slot >= self.first && slot.saturating_sub(self.first) < self.count
    }

    /// Takes `count` slots from the front.
    ///
    /// # Errors
    /// [`MisuseKind::Slots`] if there are fewer; the range is as it was.
    pub fn take(&mut self, count: u32) -> Result<Self, Misuse> {
        match self.count.checked_sub(count) {
            Some(left) => {
                let taken = Self { count, ..*self };
                self.first = self.first.saturating_add(count);
                self.count = left;
                Ok(taken)
            }
            None => Err(Misuse::call(MisuseKind::Slots, "take slots", "too few left")),
        }
    }
}

/// Gives out the names of a slot range: each slot to one socket at a time, each time under the next generation, the lowest free
/// slot first. A slot whose generations are used up retires.
#[derive(Clone, Debug)]
pub struct Slots {
    range: SlotRange,
    /// Each slot that was ever given out.
    slots: Vec<Slot>,
    /// Those that are free, lowest first.
    free: BinaryHeap<Reverse<u32>>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// That of the name that is given out, or will be next.
    generation: u32,
    taken: bool,
}

impl Slots {
    /// Nothing is given out yet.
    #[must_use]
    pub const fn new(range: SlotRange) -> Self {
        Self { range, slots: Vec::new(), free: BinaryHeap::new() }
    }

    /// A name for a new socket, or `None` if every slot is taken.
    #[must_use = "a name that is dropped without being released is never given out again"]
    pub fn reserve(&mut self) -> Option<SocketId> {
        let index = match self.free.pop() {
            Some(Reverse(index)) => index,
            None => {
                let index = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
                if index >= self.range.count {
                    return None;
                }
                self.slots.push(Slot { generation: self.range.generation, taken: false });
                index
            }
        };
        let slot = self.slots.get_mut(usize::try_from(index).ok()?)?;
        slot.taken = true;
        SocketId::new(self.range.first.saturating_add(index), slot.generation)
    }

    /// The socket is gone. False if the name was not given out by this range, or was released before.
    pub fn release(&mut self, socket: SocketId) -> bool {
        if !self.holds(socket) {
            return false;
        }
        let index = socket.slot().saturating_sub(self.range.first);
        let Some(slot) = usize::try_from(index).ok().and_then(|index| self.slots.get_mut(index)) else { return false };
        slot.taken = false;
        if let Some(next) = slot.generation.checked_add(1) {
            slot.generation = next;
            self.free.push(Reverse(index));
        }
        true
    }

    /// True if this name is given out.
    #[must_use]
    pub fn holds(&self, socket: SocketId) -> bool {
        let index = socket.slot().saturating_sub(self.range.first);
        self.range.contains(socket.slot())
            && self.slot(index).is_some_and(|slot| slot.taken && slot.generation == socket.generation())
    }

    /// True if a name can be given out.
    #[must_use]
    pub fn has_free(&self) -> bool {
        let used = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        !self.free.is_empty() || used < self.range.count
    }

    /// A generation behind all that were given out, and behind the first; `None` if there is none. It may leave one out.
    pub(crate) fn unused_generation(&self) -> Option<u32> {
        let begun = self.slots.iter().map(|slot| slot.generation);
        begun.fold(self.range.generation, u32::max).checked_add(1)
    }

    /// Which slots are taken; a slot that was never given out is as free as one that was released.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        for index in 0..self.range.count {
            encode::flag(out, self.slot(index).is_some_and(|slot| slot.taken));
        }
    }

    fn slot(&self, index: u32) -> Option<&Slot> {
        self.slots.get(usize::try_from(index).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // B11
    #[test]
    fn x146_a_name_is_never_given_out_twice_and_a_slot_retires_when_its_generations_are_used_up() {
        let mut slots = Slots::new(SlotRange::new(5, 2).unwrap());
        assert!(slots.has_free(), "none was given out");
        let first = slots.reserve().unwrap();
        let second = slots.reserve().unwrap();
        assert_eq!((first.slot(), second.slot()), (5, 6));
        assert!(!slots.has_free());
        assert_eq!(slots.reserve(), None);
        assert!(slots.release(first));
        assert!(slots.has_free(), "one has come back");
        assert!(!slots.release(first), "released twice");
        let again = slots.reserve().unwrap();
        assert_eq!((again.slot(), again.generation()), (5, 1));
        assert!(!slots.release(first), "a stale name");
        assert!(slots.holds(again) && !slots.holds(first));

        slots.slots[0].generation = u32::MAX;
        let last = SocketId::new(5, u32::MAX).unwrap();
        assert!(slots.release(last));
        assert!(!slots.holds(last) && !slots.release(last));
        assert_eq!(slots.reserve(), None, "retired");
        assert_eq!(slots.unused_generation(), None);
    }

    #[test]
    fn a_machine_that_begins_late_has_names_left_for_its_life() {
        let begin = |generation| SlotRange::ALL.beginning_with(generation).map(SlotRange::generation);
        assert_eq!(begin(u32::MAX - 65_535), Some(u32::MAX - 65_535));
        assert_eq!(begin(u32::MAX - 65_534), None);
    }

    #[test]
    fn the_generation_for_a_successor_is_behind_all_that_were_given_out() {
        let mut slots = Slots::new(SlotRange::new(0, 3).unwrap().beginning_with(7).unwrap());
        assert_eq!(slots.unused_generation(), Some(8), "whoever has the range has used the first for itself");
        let name = slots.reserve().unwrap();
        assert_eq!((name.generation(), slots.unused_generation()), (7, Some(8)));
        slots.release(name);
        let (again, other) = (slots.reserve().unwrap(), slots.reserve().unwrap());
        assert_eq!((again.generation(), other.generation(), slots.unused_generation()), (8, 7, Some(9)));
    }

    #[test]
    fn ranges_are_cut_from_the_front_and_end_at_the_last_slot() {
        let mut range = SlotRange::new(3, 4).unwrap();
        assert_eq!(range.take(3), Ok(SlotRange { first: 3, count: 3, generation: 0 }));
        assert_eq!(range.take(2).unwrap_err().kind(), MisuseKind::Slots);
        assert_eq!(range.take(1), Ok(SlotRange { first: 6, count: 1, generation: 0 }));
        assert!(!range.contains(7));
        assert_eq!(SlotRange::new(MAX_SLOTS, 1), None);
    }
}
