//! Queues of bytes.

use bytes::{Bytes, BytesMut};

/// The size of a block that pieces are gathered into.
const BLOCK: usize = 64 * 1024;
/// No place.
const NOWHERE: u32 = u32::MAX;

/// A queue of bytes in pieces, which are in a [`Store`]: there are two queues in each socket, and nearly all are empty.
///
/// It takes up to 4 GiB less one byte, and is [cleared](Pieces::clear) before it is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Pieces {
    first: u32,
    last: u32,
    length: u32,
}

/// The pieces of all queues of a network.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    places: Vec<Place>,
    /// The first of those that are free.
    free: u32,
    /// Memory to gather pieces into: a new block is allocated when one is used up, not for each receive.
    block: BytesMut,
}

/// A piece of a queue and where the next one is; or nothing, and where the next free place is.
#[derive(Clone, Debug)]
struct Place {
    piece: Bytes,
    next: u32,
}

impl Pieces {
    pub(crate) const EMPTY: Self = Self { first: NOWHERE, last: NOWHERE, length: 0 };

    pub(crate) const fn len(&self) -> usize {
        self.length as usize
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(crate) fn push(&mut self, store: &mut Store, piece: Bytes) {
        if piece.is_empty() {
            return;
        }
        self.length += u32::try_from(piece.len()).unwrap_or(u32::MAX);
        let place = store.put(piece);
        if self.first == NOWHERE {
            self.first = place;
        } else {
            store.places[self.last as usize].next = place;
        }
        self.last = place;
    }

    /// Up to `most` bytes of the first piece.
    pub(crate) fn pop_front(&mut self, store: &mut Store, most: usize) -> Bytes {
        let Some(Place { piece, next }) = store.places.get_mut(self.first as usize) else { return Bytes::new() };
        let taken = if piece.len() <= most {
            let (taken, next) = (std::mem::take(piece), *next);
            store.free(self.first);
            self.first = next;
            taken
        } else {
            piece.split_to(most)
        };
        self.length -= taken.len() as u32;
        taken
    }

    /// Up to `most` bytes, in one piece.
    pub(crate) fn pop(&mut self, store: &mut Store, most: usize) -> Bytes {
        let most = most.min(self.len());
        if store.places.get(self.first as usize).is_none_or(|first| first.piece.len() >= most) {
            return self.pop_front(store, most);
        }
        let mut block = std::mem::take(&mut store.block);
        if block.capacity() < most {
            block = BytesMut::with_capacity(most.max(BLOCK));
        }
        while block.len() < most {
            let piece = self.pop_front(store, most - block.len());
            block.extend_from_slice(&piece);
        }
        let gathered = block.split().freeze();
        store.block = block;
        gathered
    }

    pub(crate) fn clear(&mut self, store: &mut Store) {
        while !self.is_empty() {
            self.pop_front(store, usize::MAX);
        }
    }
}

impl Store {
    pub(crate) fn new() -> Self {
        Self { places: Vec::new(), free: NOWHERE, block: BytesMut::new() }
    }

    fn put(&mut self, piece: Bytes) -> u32 {
        let place = self.free;
        match self.places.get_mut(place as usize) {
            Some(free) => {
                self.free = free.next;
                *free = Place { piece, next: NOWHERE };
                place
            }
            None => self.put_first(piece),
        }
    }

    /// In a place that is used for the first time.
    #[cold]
    fn put_first(&mut self, piece: Bytes) -> u32 {
        let place = u32::try_from(self.places.len()).unwrap_or(NOWHERE);
        self.places.push(Place { piece, next: NOWHERE });
        place
    }

    /// The place is empty.
    fn free(&mut self, place: u32) {
        self.places[place as usize].next = self.free;
        self.free = place;
    }

    /// The places that are in use.
    #[cfg(test)]
    pub(crate) fn used(&self) -> usize {
        let mut used = self.places.len();
        let mut free = self.free;
        while let Some(place) = self.places.get(free as usize) {
            (used, free) = (used - 1, place.next);
        }
        used
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_come_out_in_order_and_as_many_as_there_are(
            steps in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..20), 0..30_usize, any::<bool>(), 0..2_usize), 0..50)
        ) {
            let mut store = Store::new();
            let mut queues = [(Pieces::EMPTY, Vec::new()), (Pieces::EMPTY, Vec::new())];
            for (data, most, whole, which) in steps {
                let (pieces, model) = &mut queues[which];
                model.extend_from_slice(&data);
                pieces.push(&mut store, data.into());
                prop_assert_eq!(pieces.len(), model.len());
                let taken = if whole { pieces.pop(&mut store, most) } else { pieces.pop_front(&mut store, most) };
                prop_assert!(!whole || taken.len() == most.min(model.len()));
                prop_assert!(taken.len() <= most && (most == 0 || model.is_empty() || !taken.is_empty()));
                let expected: Vec<u8> = model.drain(..taken.len()).collect();
                prop_assert_eq!(&taken, &expected);
                prop_assert_eq!(pieces.is_empty(), model.is_empty());
            }
            for (mut pieces, model) in queues {
                prop_assert!(store.used() > 0 || model.is_empty());
                pieces.clear(&mut store);
            }
            prop_assert_eq!(store.used(), 0);
        }
    }
}
