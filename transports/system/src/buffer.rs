//! Memory to receive into.

use std::io;

use bytes::{Buf, Bytes, BytesMut};

/// What is received is copied out if it is less than this, so that a few bytes cannot pin the memory of a large receive.
const LARGE: usize = 4 * 1024;
/// The size of a block that small receives are copied into.
const BLOCK: usize = 64 * 1024;
/// So many large receives are remembered, to take their memory back when nobody holds it any more.
const LENT: usize = 16;

/// Memory to receive into, handed out without an allocation for each receive, and without clearing what is written over at once.
///
/// A few bytes are copied into a block that many share, and the memory they came in is used again at once, so it stays in the cache; more
/// than that keep their memory, which is taken back at a later receive if nobody holds it any more. A block is freed when its last piece is
/// dropped: whoever keeps a small piece for long should copy it.
///
/// Whoever needs no memory of their own while they wait, such as a loop over readiness, does with one buffer for all sockets; io_uring
/// is lent several. [`Sockets`](crate::Sockets) has a pool of its own.
#[derive(Debug, Default)]
pub struct BufferPool {
    /// The memory of large receives, the last one last.
    lent: Vec<Bytes>,
    /// The rest of the block for small receives.
    small: BytesMut,
}

impl BufferPool {
    /// A pool without memory.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty buffer with room for `size` bytes at least: that which was used last of those that nobody holds any more, or a new one.
    #[must_use]
    pub fn buffer(&mut self, size: usize) -> Vec<u8> {
        let back = self.lent.iter().rposition(Bytes::is_unique).map(|place| {
            let mut back = self.lent.remove(place);
            // Nothing is to be kept, and so nothing to be moved.
            back.clear();
            Vec::from(back)
        });
        back.filter(|buffer| fits(buffer.capacity(), size)).unwrap_or_else(|| Vec::with_capacity(size))
    }

    /// Hands out what was received into `buffer`, and leaves that empty. 4 KiB or more take its memory along: then it has no capacity either.
    #[must_use]
    pub fn hand_out(&mut self, buffer: &mut Vec<u8>) -> Bytes {
        if buffer.len() < LARGE {
            if self.small.capacity() < buffer.len() {
                // The same block again, if nobody holds a part of it any more.
                self.small.reserve(BLOCK);
            }
            self.small.extend_from_slice(buffer);
            buffer.clear();
            return self.small.split().freeze();
        }
        let lent = Bytes::from(std::mem::take(buffer));
        if self.lent.len() == LENT {
            self.lent.remove(0);
        }
        self.lent.push(lent.clone());
        lent
    }
}

/// A little more is no harm; connections that are configured for receives of another size need other buffers.
const fn fits(capacity: usize, size: usize) -> bool {
    capacity >= size && capacity - size <= size / 8
}

/// One buffer for everything that is received.
#[derive(Debug, Default)]
pub(crate) struct ReceiveBuffer {
    pool: BufferPool,
    /// Empty, or as long as there is more room than is asked for.
    room: Vec<u8>,
}

impl ReceiveBuffer {
    /// Receives at most `max` bytes with `read`, which appends them to what it is given, up to its capacity.
    pub(crate) fn receive(&mut self, max: usize, read: impl FnOnce(&mut Vec<u8>) -> io::Result<usize>) -> io::Result<Bytes> {
        if !fits(self.room.capacity(), max) {
            self.room = self.pool.buffer(max);
        }
        // What is more than was asked for must not be filled: mostly nothing.
        let surplus = self.room.capacity() - max;
        self.room.resize(surplus, 0);
        read(&mut self.room)?;
        let mut received = self.pool.hand_out(&mut self.room);
        received.advance(surplus);
        Ok(received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(buffer: &mut ReceiveBuffer, max: usize, fill: u8, count: usize) -> Bytes {
        let read = |room: &mut Vec<u8>| {
            assert_eq!(room.capacity() - room.len(), max);
            room.resize(room.len() + count, fill);
            Ok(count)
        };
        buffer.receive(max, read).unwrap()
    }

    #[test]
    fn pieces_keep_what_was_written_and_rooms_are_as_large_as_asked() {
        let mut buffer = ReceiveBuffer::default();
        let mut kept = Vec::new();
        for round in 0..200_u8 {
            for (max, count) in
                [(16 * 1024, 1), (20_000, 3000), (LARGE, LARGE), (100_000, 90_000), (20_000, 20_000), (15_000, 15_000)]
            {
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

    // As where many slow peers are served.
    #[test]
    fn memory_that_was_held_for_long_is_used_again_however_it_comes_back() {
        let mut buffer = ReceiveBuffer::default();
        let mut held: Vec<_> = (0..LENT as u8).map(|fill| receive(&mut buffer, 16 * 1024, fill, 16 * 1024)).collect();
        let mut known: Vec<_> = held.iter().map(|piece| piece.as_ptr()).collect();
        known.sort_unstable();
        for round in 0..100 {
            drop(held.swap_remove(round * 7 % LENT));
            held.push(receive(&mut buffer, 16 * 1024, 0, 5000 + round));
            let mut used: Vec<_> = held.iter().map(|piece| piece.as_ptr()).collect();
            used.sort_unstable();
            assert_eq!(used, known, "round {round}");
        }
        let more = receive(&mut buffer, 16 * 1024, 1, 5000);
        assert!(!known.contains(&more.as_ptr()) && buffer.pool.lent.len() == LENT, "all are held, and no more are remembered");
    }

    #[test]
    fn a_small_piece_pins_no_room_for_a_large_one_and_an_error_loses_nothing() {
        let mut buffer = ReceiveBuffer::default();
        let piece = receive(&mut buffer, 1 << 20, 1, 10);
        let address = buffer.room.as_ptr();
        let blocked = buffer.receive(1 << 20, |_| Err(io::ErrorKind::WouldBlock.into()));
        assert_eq!(blocked.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(receive(&mut buffer, 1 << 20, 2, 1 << 20).as_ptr(), address);
        assert_eq!(&piece[..], &[1; 10]);
    }

    #[test]
    fn what_the_allocator_gave_beyond_the_request_is_not_received_into() {
        let mut buffer = ReceiveBuffer { room: Vec::with_capacity(11_000), ..ReceiveBuffer::default() };
        let address = buffer.room.as_ptr();
        for fill in 1..3 {
            assert_eq!(receive(&mut buffer, 10_000, fill, 10_000), vec![fill; 10_000]);
            assert_eq!(receive(&mut buffer, 10_000, fill, 10), vec![fill; 10]);
        }
        assert_eq!(buffer.room.as_ptr(), address);
    }
}
