//! A queue of bytes.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// The size of a block that pieces are gathered into.
const BLOCK: usize = 64 * 1024;

/// A queue of bytes in pieces. Mostly there is one at most: it needs no memory of its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pieces {
    front: Bytes,
    /// What is behind it, if anything ever was.
    #[allow(clippy::box_collection, reason = "there are two in each socket, and nearly all are empty for ever")]
    rest: Option<Box<VecDeque<Bytes>>>,
    length: usize,
}

/// Memory to gather pieces into: a new block is allocated when one is used up, not for each receive.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gathering {
    block: BytesMut,
}

impl Pieces {
    pub(crate) const fn len(&self) -> usize {
        self.length
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(crate) fn push(&mut self, piece: Bytes) {
        if piece.is_empty() {
            return;
        }
        self.length += piece.len();
        if self.front.is_empty() {
            self.front = piece;
        } else {
            self.rest.get_or_insert_default().push_back(piece);
        }
    }

    /// Up to `most` bytes of the first piece.
    pub(crate) fn pop_front(&mut self, most: usize) -> Bytes {
        let taken = if self.front.len() <= most {
            let next = self.rest.as_mut().and_then(|rest| rest.pop_front()).unwrap_or_default();
            std::mem::replace(&mut self.front, next)
        } else {
            self.front.split_to(most)
        };
        self.length -= taken.len();
        taken
    }

    /// Up to `most` bytes, in one piece.
    pub(crate) fn pop(&mut self, most: usize, gathering: &mut Gathering) -> Bytes {
        let most = most.min(self.length);
        if self.front.len() >= most {
            return self.pop_front(most);
        }
        let block = &mut gathering.block;
        if block.capacity() < most {
            *block = BytesMut::with_capacity(most.max(BLOCK));
        }
        while block.len() < most {
            let piece = self.pop_front(most - block.len());
            block.extend_from_slice(&piece);
        }
        block.split().freeze()
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_come_out_in_order_and_as_many_as_there_are(
            steps in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..20), 0..30_usize, any::<bool>()), 0..50)
        ) {
            let (mut pieces, mut gathering, mut model) = (Pieces::default(), Gathering::default(), Vec::new());
            for (data, most, whole) in steps {
                model.extend_from_slice(&data);
                pieces.push(data.into());
                prop_assert_eq!(pieces.len(), model.len());
                let taken = if whole { pieces.pop(most, &mut gathering) } else { pieces.pop_front(most) };
                prop_assert!(!whole || taken.len() == most.min(model.len()));
                prop_assert!(taken.len() <= most && (most == 0 || model.is_empty() || !taken.is_empty()));
                let expected: Vec<u8> = model.drain(..taken.len()).collect();
                prop_assert_eq!(&taken, &expected);
                prop_assert_eq!(pieces.is_empty(), model.is_empty());
            }
        }
    }
}
