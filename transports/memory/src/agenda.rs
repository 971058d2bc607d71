//! What happens when, in order.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

use sansock::Timestamp;

/// So many sequences of times that only grow are kept apart: those of links with different latencies, say.
const LANES: usize = 3;
/// Behind the lanes.
const HEAP: usize = LANES;
/// A queue or a table that runs empty keeps room for so much. What a large burst took beyond that, such as all clients connecting at one
/// instant, is given back. Tables of all sockets, and of what they have queued, stay as large as they have ever been.
pub(crate) const ROOM_KEPT: usize = 1024;

/// See [`ROOM_KEPT`].
#[inline]
pub(crate) fn give_back<T>(queue: &mut VecDeque<T>) {
    if queue.capacity() > ROOM_KEPT && queue.is_empty() {
        queue.shrink_to(ROOM_KEPT);
    }
}

/// Things in the order of their times; those of one time in the order in which they were added.
///
/// Nearly everything in a simulation is added in the order of its time, or in a few interleaved sequences of that kind. Each such sequence is
/// a queue, which costs nothing to sort; only what fits none of them goes through a heap.
#[derive(Clone, Debug)]
pub(crate) struct Agenda<T> {
    lanes: [VecDeque<Entry<T>>; LANES],
    /// When the last thing of each lane is, or was, due.
    lasts: [Timestamp; LANES],
    heap: BinaryHeap<Entry<T>>,
    /// The key of the first thing of each lane and of the heap.
    firsts: [Key; LANES + 1],
    /// Where the first thing of all is, and its key.
    first: (usize, Key),
    /// The key of the first thing that is elsewhere.
    second: Key,
    added: u64,
}

/// A time, and above it the number of an entry: keys compare as their entries do.
type Key = u128;

const NOTHING: Key = Key::MAX;

#[derive(Clone, Debug)]
struct Entry<T> {
    key: Key,
    what: T,
}

impl<T> Agenda<T> {
    #[inline]
    pub(crate) fn add(&mut self, at: Timestamp, what: T) {
        let place = self.lasts.iter().position(|last| *last <= at).unwrap_or(HEAP);
        self.add_to(place, at, what);
    }

    /// The same, for something so far away that it would keep a lane from what comes before it.
    pub(crate) fn add_apart(&mut self, at: Timestamp, what: T) {
        self.add_to(HEAP, at, what);
    }

    #[inline]
    fn add_to(&mut self, place: usize, at: Timestamp, what: T) {
        let key = Key::from(at.as_nanos()) << 64 | Key::from(self.added);
        self.added += 1;
        if key < self.firsts[place] {
            self.firsts[place] = key;
            if key < self.first.1 {
                if place != self.first.0 {
                    self.second = self.first.1;
                }
                self.first = (place, key);
            } else {
                self.second = self.second.min(key);
            }
        }
        if place == HEAP {
            self.heap.push(Entry { key, what });
        } else {
            self.lasts[place] = at;
            self.lanes[place].push_back(Entry { key, what });
        }
    }

    #[inline]
    pub(crate) fn next_time(&self) -> Option<Timestamp> {
        let (_, key) = self.first;
        (key != NOTHING).then(|| time(key))
    }

    /// Takes the first thing, if it is due.
    #[inline]
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Option<T> {
        // Nothing is never due, except at the end of all time.
        if time(self.first.1) > now { None } else { self.take_first() }
    }

    fn take_first(&mut self) -> Option<T> {
        let (place, _) = self.first;
        let (entry, next) = if place == HEAP {
            (self.heap.pop()?, self.heap.peek())
        } else {
            let lane = &mut self.lanes[place];
            (lane.pop_front()?, lane.front())
        };
        let next = next.map(|next| next.key);
        self.firsts[place] = next.unwrap_or(NOTHING);
        if next.is_none() {
            self.ran_empty(place);
        }
        self.first = (place, self.firsts[place]);
        if self.second < self.first.1 {
            self.find_first();
        }
        Some(entry.what)
    }

    fn find_first(&mut self) {
        let mut places = std::array::from_fn::<_, { HEAP + 1 }, _>(|place| (self.firsts[place], place));
        places.sort_unstable();
        let [(key, place), (second, _), ..] = places;
        (self.first, self.second) = ((place, key), second);
    }

    #[inline]
    fn ran_empty(&mut self, place: usize) {
        match self.lanes.get_mut(place) {
            Some(lane) => give_back(lane),
            None => self.heap.shrink_to(ROOM_KEPT),
        }
    }

    /// Forgets what is not to be kept.
    pub(crate) fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        let mut kept = Self { added: self.added, ..Self::default() };
        while let Some(at) = self.next_time()
            && let Some(what) = self.take_first()
        {
            if keep(&what) {
                kept.add(at, what);
            }
        }
        *self = kept;
    }
}

const fn time(key: Key) -> Timestamp {
    Timestamp::from_nanos((key >> 64) as u64)
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self {
            lanes: [const { VecDeque::new() }; LANES],
            lasts: [Timestamp::ZERO; LANES],
            heap: BinaryHeap::new(),
            firsts: [NOTHING; LANES + 1],
            first: (0, NOTHING),
            second: NOTHING,
            added: 0,
        }
    }
}

/// The first is the greatest, as the heap wants it.
impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.key.cmp(&self.key)
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
        self.key == other.key
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    impl<T> Agenda<T> {
        fn room(&self) -> usize {
            self.lanes.iter().map(VecDeque::capacity).max().unwrap_or(0).max(self.heap.capacity())
        }
    }

    #[test]
    fn what_a_burst_took_is_given_back_when_it_is_over() {
        let mut agenda = Agenda::default();
        for apart in [false, true] {
            let add = if apart { Agenda::add_apart } else { Agenda::add };
            for number in 0..10 * ROOM_KEPT {
                add(&mut agenda, Timestamp::ZERO, number);
            }
            assert!(agenda.room() > ROOM_KEPT);
            while agenda.take_due(Timestamp::ZERO).is_some() {}
            assert!(agenda.room() <= ROOM_KEPT);
        }
    }

    proptest! {
        #[test]
        fn everything_comes_in_the_order_of_its_time_and_equal_times_in_the_order_of_adding(
            steps in prop::collection::vec((0..30_u64, any::<bool>(), any::<bool>()), 0..200)
        ) {
            let (mut agenda, mut model, mut now) = (Agenda::default(), Vec::new(), 0);
            for (number, (delay, apart, take)) in steps.into_iter().enumerate() {
                let at = Timestamp::from_nanos(now + delay);
                if apart {
                    agenda.add_apart(at, number);
                } else {
                    agenda.add(at, number);
                }
                model.push((now + delay, number));
                if take {
                    model.sort_unstable();
                    now = model[0].0;
                    prop_assert_eq!(agenda.take_due(Timestamp::from_nanos(now)), Some(model.remove(0).1));
                }
            }
            model.sort_unstable();
            for (at, number) in model {
                prop_assert_eq!(agenda.next_time(), Some(Timestamp::from_nanos(at)));
                if at > 0 {
                    prop_assert!(agenda.take_due(Timestamp::from_nanos(at - 1)).is_none());
                }
                prop_assert_eq!(agenda.take_due(Timestamp::NEVER), Some(number));
            }
            prop_assert!(agenda.next_time().is_none());
        }
    }
}
