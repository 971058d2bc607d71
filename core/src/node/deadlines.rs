//! A heap of deadlines with at most one entry a member.

use alloc::vec::Vec;

use crate::Timestamp;

/// Earliest first; at equal times the lowest member.
///
/// Deadlines are lazy: putting one off, which happens with every message, leaves the heap alone. When the old entry is due, the member
/// is looked at and entered again at its deadline of then.
#[derive(Clone, Debug, Default)]
pub(super) struct Deadlines {
    heap: Vec<u32>,
    /// By member.
    entries: Vec<Entry>,
}

/// A member's entry.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// `NEVER` if the member is not in the heap.
    at: Timestamp,
    /// Where it is there.
    place: u32,
}

impl Entry {
    const NONE: Self = Self { at: Timestamp::NEVER, place: 0 };
}

impl Deadlines {
    /// The member is to be looked at by `deadline`, or earlier.
    #[inline]
    pub(super) fn bring_forward(&mut self, member: u32, deadline: Timestamp) {
        let entry = self.entry(member);
        if deadline < entry.at {
            self.enter(member, entry, deadline);
        }
    }

    #[inline(never)]
    fn enter(&mut self, member: u32, entry: Entry, deadline: Timestamp) {
        let place = if entry.at == Timestamp::NEVER {
            self.heap.push(member);
            self.heap.len().saturating_sub(1)
        } else {
            usize::try_from(entry.place).unwrap_or(usize::MAX)
        };
        self.set_entry(member, Entry { at: deadline, place: 0 });
        self.note(place);
        self.sift_up(place);
    }

    pub(super) fn earliest(&self) -> Option<Timestamp> {
        self.heap.first().map(|member| self.entry(*member).at)
    }

    /// Takes out one member whose entry is due.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Option<u32> {
        let member = *self.heap.first()?;
        if !self.entry(member).at.is_due(now) {
            return None;
        }
        self.heap.swap_remove(0);
        self.set_entry(member, Entry::NONE);
        self.note(0);
        self.sift_down(0);
        Some(member)
    }

    fn sift_up(&mut self, mut place: usize) {
        while let Some(before) = place.checked_sub(1) {
            let parent = before >> 1;
            if self.key(parent) <= self.key(place) {
                return;
            }
            self.swap(parent, place);
            place = parent;
        }
    }

    fn sift_down(&mut self, mut place: usize) {
        loop {
            let left = place.saturating_mul(2).saturating_add(1);
            let right = left.saturating_add(1);
            let there = [place, left, right].into_iter().filter_map(|place| Some((self.key(place)?, place)));
            let least = there.min().map_or(place, |(_, least)| least);
            if least == place {
                return;
            }
            self.swap(place, least);
            place = least;
        }
    }

    /// What the heap is ordered by.
    fn key(&self, place: usize) -> Option<(Timestamp, u32)> {
        self.heap.get(place).map(|member| (self.entry(*member).at, *member))
    }

    fn swap(&mut self, one: usize, other: usize) {
        self.heap.swap(one, other);
        self.note(one);
        self.note(other);
    }

    /// Notes where the member in this place is.
    fn note(&mut self, place: usize) {
        if let Some(member) = self.heap.get(place).copied() {
            let at = self.entry(member).at;
            self.set_entry(member, Entry { at, place: u32::try_from(place).unwrap_or(u32::MAX) });
        }
    }

    #[inline]
    fn entry(&self, member: u32) -> Entry {
        usize::try_from(member).ok().and_then(|index| self.entries.get(index)).copied().unwrap_or(Entry::NONE)
    }

    fn set_entry(&mut self, member: u32, entry: Entry) {
        let Ok(index) = usize::try_from(member) else { return };
        if self.entries.len() <= index {
            self.entries.resize(index.saturating_add(1), Entry::NONE);
        }
        if let Some(place) = self.entries.get_mut(index) {
            *place = entry;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;

    // X144, B6: one entry a member.
    #[test]
    fn it_agrees_with_a_sorted_map_whatever_is_entered_and_taken() {
        // A fixed sequence that is as good as random.
        let mut state = 1_u64;
        let mut next = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let mut deadlines = Deadlines::default();
        let mut model: BTreeMap<u32, Timestamp> = BTreeMap::new();
        for _ in 0..20_000 {
            if next(3) > 0 {
                let member = u32::try_from(next(40)).unwrap();
                let at = Timestamp::from_nanos(next(100));
                deadlines.bring_forward(member, at);
                let entry = model.entry(member).or_insert(at);
                *entry = at.min(*entry);
            } else {
                let now = Timestamp::from_nanos(next(100));
                let expected = model.iter().map(|(member, at)| (*at, *member)).min().filter(|(at, _)| *at <= now);
                assert_eq!(deadlines.take_due(now), expected.map(|(_, member)| member));
                if let Some((_, member)) = expected {
                    model.remove(&member);
                }
            }
            assert_eq!(deadlines.earliest(), model.values().min().copied());
            assert_eq!(deadlines.heap.len(), model.len());
        }
    }

    // X86
    #[test]
    fn putting_a_deadline_off_and_never_leave_the_heap_alone() {
        let mut deadlines = Deadlines::default();
        deadlines.bring_forward(3, Timestamp::NEVER);
        assert_eq!(deadlines.earliest(), None);
        deadlines.bring_forward(3, Timestamp::from_secs(1));
        deadlines.bring_forward(3, Timestamp::from_secs(2));
        assert_eq!(deadlines.earliest(), Some(Timestamp::from_secs(1)));
        let order: Vec<_> = core::iter::from_fn(|| deadlines.take_due(Timestamp::from_secs(5))).collect();
        assert_eq!(order, [3]);
    }
}
