//! Memory to receive into.

use bytes::{Bytes, BytesMut};

/// The size of a block. A receive that asks for more gets a block of its own size.
const BLOCK: usize = 64 * 1024;

/// Hands out what was received without an allocation for each receive: pieces of a block, and a new block when the rest is too small.
///
/// A block is freed when its last piece is dropped; whoever keeps a small piece for long should copy it.
#[derive(Debug, Default)]
pub(crate) struct ReceiveBuffer {
    /// Zeroed memory that nobody else sees.
    block: BytesMut,
}

impl ReceiveBuffer {
    /// Room for `size` bytes, one at least.
    pub(crate) fn room(&mut self, size: usize) -> &mut [u8] {
        let size = size.max(1);
        if self.block.len() < size {
            self.block = BytesMut::zeroed(size.max(BLOCK));
        }
        &mut self.block[..size]
    }

    /// The first `count` bytes of the room.
    pub(crate) fn take(&mut self, count: usize) -> Bytes {
        self.block.split_to(count).freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_keep_what_was_written_and_rooms_are_as_large_as_asked() {
        let mut buffer = ReceiveBuffer::default();
        let mut kept = Vec::new();
        for round in 0..40_u8 {
            let room = buffer.room(5000);
            assert_eq!(room.len(), 5000);
            room.fill(round);
            kept.push(buffer.take(3000));
        }
        for (round, piece) in (0..).zip(&kept) {
            assert!(piece.len() == 3000 && piece.iter().all(|byte| *byte == round));
        }
        assert_eq!(buffer.room(100_000).len(), 100_000);
    }
}
