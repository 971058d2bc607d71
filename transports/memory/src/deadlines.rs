//! When which machine's time-out is due.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use sansock::Timestamp;

/// One entry per machine, as early as its deadline or earlier: a deadline that is put off all the time, as by every byte received, costs
/// nothing until the earlier one comes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deadlines {
    heap: BinaryHeap<Reverse<(Timestamp, u32)>>,
    /// By machine: the entry that counts. Others in the heap are left over.
    entries: Vec<Timestamp>,
}

impl Deadlines {
    /// The machine's deadline is this now.
    #[inline]
    pub(crate) fn set(&mut self, machine: u32, deadline: Timestamp) {
        let index = machine as usize;
        if self.entries.len() <= index {
            self.entries.resize(index + 1, Timestamp::NEVER);
        }
        if deadline < self.entries[index] {
            self.enter(machine, deadline);
        }
    }

    /// The earliest deadline, and whose it is: of several the first machine's. `deadline_of` says what a machine's deadline is.
    pub(crate) fn first(&mut self, deadline_of: impl Fn(u32) -> Timestamp) -> Option<(Timestamp, u32)> {
        while let Some(Reverse((at, machine))) = self.heap.peek().copied() {
            let entered = self.entries[machine as usize];
            let deadline = deadline_of(machine);
            if at == entered && at == deadline {
                return Some((at, machine));
            }
            self.heap.pop();
            if at == entered {
                self.enter(machine, deadline);
            }
        }
        None
    }

    fn enter(&mut self, machine: u32, deadline: Timestamp) {
        self.entries[machine as usize] = deadline;
        if deadline.as_deadline().is_some() {
            self.heap.push(Reverse((deadline, machine)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_of_the_present_deadlines_is_found_whatever_was_set_before(
            steps in prop::collection::vec((0..4_u32, prop_oneof![3 => 0..20_u64, 1 => Just(u64::MAX)], any::<bool>()), 0..100)
        ) {
            let (mut deadlines, mut model) = (Deadlines::default(), [Timestamp::NEVER; 4]);
            for (machine, deadline, look) in steps {
                model[machine as usize] = Timestamp::from_nanos(deadline);
                deadlines.set(machine, Timestamp::from_nanos(deadline));
                if look {
                    let expected = (0..4_u32)
                        .map(|machine| (model[machine as usize], machine))
                        .filter(|(deadline, _)| *deadline != Timestamp::NEVER)
                        .min();
                    prop_assert_eq!(deadlines.first(|machine| model[machine as usize]), expected);
                }
            }
        }
    }
}
