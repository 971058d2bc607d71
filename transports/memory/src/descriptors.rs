//! The descriptors of one machine's sockets.

use std::collections::VecDeque;

use crate::network::Descriptor;

/// By slot: a machine names its sockets from one range of slots. Which of a slot's names a socket has, the socket knows.
#[derive(Debug, Default)]
pub(crate) struct Descriptors {
    /// The lowest slot that was used.
    first: u32,
    all: VecDeque<Descriptor>,
}

impl Descriptors {
    pub(crate) fn get(&self, slot: u32) -> Option<Descriptor> {
        self.all.get(slot.checked_sub(self.first)? as usize).copied()
    }

    pub(crate) fn insert(&mut self, slot: u32, descriptor: Descriptor) {
        if self.all.is_empty() {
            self.first = slot;
        }
        while slot < self.first {
            self.all.push_front(Descriptor::none());
            self.first -= 1;
        }
        let place = (slot - self.first) as usize;
        if self.all.len() <= place {
            self.all.resize(place + 1, Descriptor::none());
        }
        self.all[place] = descriptor;
    }

    pub(crate) fn remove(&mut self, slot: u32) {
        if let Some(place) = slot.checked_sub(self.first).and_then(|place| self.all.get_mut(place as usize)) {
            *place = Descriptor::none();
        }
    }

    /// In the order of their slots.
    pub(crate) fn into_all(self) -> impl Iterator<Item = Descriptor> {
        self.all.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_is_found_by_its_slot_wherever_the_first_one_was() {
        let of = |number: u64| Descriptor(slotmap::KeyData::from_ffi(number | 1 << 32).into());
        let mut descriptors = Descriptors::default();
        for slot in [500, 503, 499, 7, 1_048_575] {
            descriptors.insert(slot, of(u64::from(slot)));
        }
        descriptors.remove(503);
        descriptors.remove(3);
        for slot in [500, 499, 7, 1_048_575] {
            assert_eq!(descriptors.get(slot), Some(of(u64::from(slot))), "{slot}");
        }
        for slot in [0, 501, 503] {
            assert!(descriptors.get(slot).is_none_or(|descriptor| descriptor == Descriptor::none()), "{slot}");
        }
    }
}
