//! What happens when, in order.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

use sansock::Timestamp;

/// So many sequences of times that only grow are kept apart: those of links with different latencies, say.
const LANES: usize = 4;

/// Things in the order of their times; those of one time in the order in which they were added.
///
/// Nearly everything in a simulation is added in the order of its time, or in a few interleaved sequences of that kind. Each such sequence is
/// a queue, which costs nothing to sort; only what fits none of them goes through a heap.
#[derive(Clone, Debug)]
pub(crate) struct Agenda<T> {
    lanes: [VecDeque<Entry<T>>; LANES],
    heap: BinaryHeap<Entry<T>>,
    added: u64,
}

#[derive(Clone, Debug)]
struct Entry<T> {
    at: Timestamp,
    number: u64,
    what: T,
}

/// Where an entry is.
#[derive(Clone, Copy)]
enum Place {
    Lane(usize),
    Heap,
}

impl<T> Agenda<T> {
    pub(crate) fn add(&mut self, at: Timestamp, what: T) {
        let entry = Entry { at, number: self.added, what };
        self.added += 1;
        match self.lane_for(at) {
            Some(lane) => self.lanes[lane].push_back(entry),
            None => self.heap.push(entry),
        }
    }

    pub(crate) fn next_time(&self) -> Option<Timestamp> {
        self.first().map(|(_, at)| at)
    }

    /// Takes the first thing, if it is due.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Option<(Timestamp, T)> {
        let (place, at) = self.first()?;
        if at > now {
            return None;
        }
        let entry = match place {
            Place::Lane(lane) => self.lanes[lane].pop_front(),
            Place::Heap => self.heap.pop(),
        };
        entry.map(|entry| (entry.at, entry.what))
    }

    /// The lane whose last time is the latest that is not too late; an empty one if there is none.
    fn lane_for(&self, at: Timestamp) -> Option<usize> {
        let mut best: Option<(usize, Option<Timestamp>)> = None;
        for (index, lane) in self.lanes.iter().enumerate() {
            let last = lane.back().map(|entry| entry.at);
            if last.is_none_or(|last| last <= at) && best.is_none_or(|(_, so_far)| so_far < last) {
                best = Some((index, last));
            }
        }
        best.map(|(index, _)| index)
    }

    fn first(&self) -> Option<(Place, Timestamp)> {
        let mut best = self.heap.peek().map(|entry| (Place::Heap, entry.key()));
        for (index, lane) in self.lanes.iter().enumerate() {
            if let Some(entry) = lane.front()
                && best.is_none_or(|(_, key)| entry.key() < key)
            {
                best = Some((Place::Lane(index), entry.key()));
            }
        }
        best.map(|(place, (at, _))| (place, at))
    }
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self { lanes: [const { VecDeque::new() }; LANES], heap: BinaryHeap::new(), added: 0 }
    }
}

impl<T> Entry<T> {
    const fn key(&self) -> (Timestamp, u64) {
        (self.at, self.number)
    }
}

/// The first is the greatest, as the heap wants it.
impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key())
    }
}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn everything_comes_in_the_order_of_its_time_and_equal_times_in_the_order_of_adding(
            steps in prop::collection::vec((0..30_u64, any::<bool>()), 0..200)
        ) {
            let (mut agenda, mut model, mut now) = (Agenda::default(), Vec::new(), 0);
            for (number, (delay, take)) in steps.into_iter().enumerate() {
                agenda.add(Timestamp::from_nanos(now + delay), number);
                model.push((now + delay, number));
                if take {
                    model.sort_unstable();
                    now = model[0].0;
                    let (at, what) = agenda.take_due(Timestamp::from_nanos(now)).unwrap();
                    prop_assert_eq!((at.as_nanos(), what), model.remove(0));
                }
            }
            model.sort_unstable();
            for (at, number) in model {
                prop_assert_eq!(agenda.next_time(), Some(Timestamp::from_nanos(at)));
                if at > 0 {
                    prop_assert!(agenda.take_due(Timestamp::from_nanos(at - 1)).is_none());
                }
                prop_assert_eq!(agenda.take_due(Timestamp::NEVER), Some((Timestamp::from_nanos(at), number)));
            }
            prop_assert!(agenda.next_time().is_none());
        }
    }
}
