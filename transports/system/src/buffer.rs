//! Memory to receive into.

use std::io;

use bytes::{Bytes, BytesMut};

/// What is received is copied out if it is less than this, so that a few bytes cannot pin the memory of a large receive.
const LARGE: usize = 4 * 1024;
/// The size of a block that small receives are copied into.
const BLOCK: usize = 64 * 1024;

/// Hands out what was received without an allocation for each receive.
///
/// All receives go into the same memory, so it stays in the cache. Small ones are copied into a block that many share; a large one keeps
/// the memory, which is taken back at the next receive if nobody holds it any more. A block is freed when its last piece is dropped:
/// whoever keeps a small piece for long should copy it.
#[derive(Debug, Default)]
pub(crate) struct ReceiveBuffer {
    /// Initialised memory that nobody else sees, or nothing if it is lent.
    room: BytesMut,
    /// The memory of the last large receive.
    lent: Bytes,
    /// The rest of the block for small receives.
    small: BytesMut,
}

impl ReceiveBuffer {
    /// Receives at most `max` bytes with `read`.
    pub(crate) fn receive(&mut self, max: usize, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<Bytes> {
        if self.room.len() < max {
            let back = std::mem::take(&mut self.lent).try_into_mut().ok();
            self.room = back.filter(|room| room.len() >= max).unwrap_or_else(|| BytesMut::zeroed(max));
        }
        let count = read(&mut self.room[..max])?;
        if count < LARGE {
            if self.small.capacity() < count {
                // The same block again, if nobody holds a part of it any more.
                self.small.reserve(BLOCK);
            }
            self.small.extend_from_slice(&self.room[..count]);
            return Ok(self.small.split().freeze());
        }
        self.lent = std::mem::take(&mut self.room).freeze();
        Ok(self.lent.slice(..count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(buffer: &mut ReceiveBuffer, max: usize, fill: u8, count: usize) -> Bytes {
        let read = |room: &mut [u8]| {
            assert_eq!(room.len(), max);
            room[..count].fill(fill);
            Ok(count)
        };
        buffer.receive(max, read).unwrap()
    }

    #[test]
    fn pieces_keep_what_was_written_and_rooms_are_as_large_as_asked() {
        let mut buffer = ReceiveBuffer::default();
        let mut kept = Vec::new();
        for round in 0..200_u8 {
            for (max, count) in [(16 * 1024, 1), (20_000, 3000), (LARGE, LARGE), (100_000, 90_000)] {
                kept.push((round, count, receive(&mut buffer, max, round, count)));
            }
        }
        for (round, count, piece) in kept {
            assert!(piece.len() == count && piece.iter().all(|byte| *byte == round));
        }
    }

    #[test]
    fn memory_that_nobody_holds_any_more_is_used_again() {
        let mut buffer = ReceiveBuffer::default();
        let first = receive(&mut buffer, 16 * 1024, 1, 8000);
        let address = first.as_ptr();
        drop(first);
        let again = receive(&mut buffer, 16 * 1024, 2, 8000);
        assert_eq!(again.as_ptr(), address);
        let other = receive(&mut buffer, 16 * 1024, 3, 8000);
        assert_ne!(other.as_ptr(), address, "it is held");
        assert!(again.iter().all(|byte| *byte == 2));
    }

    #[test]
    fn a_small_piece_pins_no_room_for_a_large_one_and_an_error_loses_nothing() {
        let mut buffer = ReceiveBuffer::default();
        let piece = receive(&mut buffer, 1 << 20, 1, 10);
        assert_eq!(buffer.room.len(), 1 << 20);
        let blocked = buffer.receive(1 << 20, |_| Err(io::ErrorKind::WouldBlock.into()));
        assert_eq!(blocked.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(buffer.room.len(), 1 << 20);
        assert_eq!(&piece[..], &[1; 10]);
    }
}
