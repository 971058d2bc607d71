//! What waits to be sent.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::num::NonZeroUsize;

use bytes::{Buf, Bytes, BytesMut};

use crate::encode;
use crate::op::{Chunks, MAX_CHUNKS};

/// Pieces smaller than this are copied together once there are more pieces than one send carries.
const COPY_BELOW: usize = 2 * 1024;
/// The size of the block that they are copied into.
const BLOCK: usize = 4 * 1024;

/// A bounded queue of bytes.
///
/// The first [`MAX_CHUNKS`] pieces stay as they were handed over: one send carries them, and in the common case the socket takes
/// them at once. Small pieces behind them are copied into a block, so that a backlog of small slices cannot pin the large blocks
/// that they were cut from.
///
/// A queue of one piece, which is what most sends are, needs no memory of its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct SendQueue {
    /// The first piece, which is not empty; there is one unless the queue is empty.
    front: Option<Bytes>,
    /// What is behind it.
    rest: Option<Box<Rest>>,
}

#[derive(Clone, Debug, Default)]
struct Rest {
    length: usize,
    pieces: VecDeque<Bytes>,
    /// The end of the queue, still growing.
    tail: BytesMut,
    /// How much more fits the block in which it grows. Kept apart from the capacity, which a clone does not share: where the pieces are
    /// cut must not depend on it.
    block_left: usize,
    /// The pieces of the send in flight, if it has several; its token shares them. Without one, a list of empty pieces: the memory for the
    /// next.
    sending: Option<Arc<[Bytes; MAX_CHUNKS]>>,
    /// Bytes of the send in flight, if it has several pieces.
    asked: Option<NonZeroUsize>,
}

impl SendQueue {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        match &self.rest {
            None => self.front_len(),
            Some(rest) => self.front_len().saturating_add(rest.length),
        }
    }

    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.front.is_none()
    }

    /// Bytes of the send that is in flight.
    #[inline]
    pub(crate) fn asked(&self) -> usize {
        let several = self.rest.as_ref().and_then(|rest| rest.asked);
        several.map_or(self.front_len(), NonZeroUsize::get)
    }

    #[inline]
    fn front_len(&self) -> usize {
        self.front.as_ref().map_or(0, Bytes::len)
    }

    /// Takes as much of `data`, which is not empty, as fits under `capacity`. The rest comes back.
    #[inline]
    pub(crate) fn push(&mut self, data: Bytes, capacity: usize) -> Option<Bytes> {
        if self.front.is_none() && data.len() <= capacity {
            self.front = Some(data);
            return None;
        }
        self.push_behind(data, capacity)
    }

    #[inline(never)]
    fn push_behind(&mut self, mut data: Bytes, capacity: usize) -> Option<Bytes> {
        let room = capacity.saturating_sub(self.len());
        let rest = (data.len() > room).then(|| data.split_off(room));
        if !data.is_empty() {
            match &self.front {
                None => self.front = Some(data),
                Some(_) => self.rest.get_or_insert_default().append(data),
            }
        }
        rest
    }

    /// The pieces of the next send; `None` if the queue is empty.
    #[inline(always)]
    pub(crate) fn prepare(&mut self) -> Option<Chunks> {
        let front = self.front.as_ref()?;
        let several = self.rest.as_mut().and_then(|rest| rest.prepare(front));
        Some(several.unwrap_or_else(|| Chunks::One(front.clone())))
    }

    /// The send in flight took `count` bytes. False, and nothing is taken off, if they are none, or more than were asked for.
    #[inline]
    pub(crate) fn advance(&mut self, count: usize) -> bool {
        match &self.front {
            Some(front) if front.len() == count && self.rest.is_none() => {
                self.front = None;
                true
            }
            _ => self.advance_within(count),
        }
    }

    #[inline(never)]
    fn advance_within(&mut self, count: usize) -> bool {
        let possible = count > 0 && count <= self.asked();
        self.retain();
        if possible {
            self.take_off(count);
        }
        possible
    }

    fn take_off(&mut self, count: usize) {
        let mut left = count;
        while let Some(front) = &mut self.front {
            if left < front.len() {
                front.advance(left);
                return;
            }
            left = left.saturating_sub(front.len());
            self.front = self.rest.as_mut().and_then(|rest| rest.next());
        }
    }

    /// The send in flight is over.
    #[inline]
    pub(crate) fn retain(&mut self) {
        if let Some(rest) = &mut self.rest {
            rest.sent();
        }
    }

    /// Gives all memory back.
    pub(crate) fn release(&mut self) {
        self.front = None;
        self.rest = None;
    }

    /// Where the pieces are cut decides what the next sends ask for, unless one send carries the whole queue however it is cut.
    pub(crate) fn encode(&self, capacity: usize, in_flight: bool, out: &mut Vec<u8>) {
        encode::length(out, self.len());
        encode::length(out, if in_flight { self.asked() } else { 0 });
        if capacity > MAX_CHUNKS {
            encode::length(out, self.rest.as_ref().map_or(0, |rest| rest.block_left));
            encode::length(out, self.pieces().count());
            for piece in self.pieces() {
                encode::length(out, piece.len());
            }
        }
    }

    /// Without the end that still grows.
    fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        let rest = self.rest.iter().flat_map(|rest| &rest.pieces);
        self.front.iter().chain(rest)
    }
}

impl Rest {
    /// The pieces of a send that carries more than the front.
    #[inline(never)]
    fn prepare(&mut self, front: &Bytes) -> Option<Chunks> {
        if self.pieces.len().saturating_add(1) < MAX_CHUNKS {
            self.seal_tail();
        }
        if self.pieces.is_empty() {
            return None;
        }
        let sending = self.sending.get_or_insert_default();
        let (mut used, mut length) = (0_usize, 0_usize);
        for (place, piece) in Arc::make_mut(sending).iter_mut().zip(core::iter::once(front).chain(&self.pieces)) {
            *place = piece.clone();
            used = used.saturating_add(1);
            length = length.saturating_add(piece.len());
        }
        self.asked = NonZeroUsize::new(length);
        Some(Chunks::Several { list: Arc::clone(sending), used })
    }

    /// The send is over: its pieces are not held any longer than the queue holds them.
    fn sent(&mut self) {
        self.asked = None;
        let Some(sending) = self.sending.as_mut().filter(|sending| sending.iter().any(|piece| !piece.is_empty())) else { return };
        match Arc::get_mut(sending) {
            Some(pieces) => *pieces = Default::default(),
            // The token is still there: the transport completed the send by its name alone.
            None => self.sending = None,
        }
    }

    fn append(&mut self, piece: Bytes) {
        self.length = self.length.saturating_add(piece.len());
        // The front is a piece too.
        let few = self.pieces.len().saturating_add(1) < MAX_CHUNKS;
        if self.tail.is_empty() && (few || piece.len() >= COPY_BELOW) {
            self.pieces.push_back(piece);
        } else if piece.len() >= COPY_BELOW {
            self.seal_tail();
            self.pieces.push_back(piece);
        } else {
            if piece.len() > self.block_left {
                self.seal_tail();
                // Takes the old block back if nobody holds a part of it any more.
                self.tail.reserve(BLOCK);
                self.block_left = BLOCK;
            }
            self.block_left = self.block_left.saturating_sub(piece.len());
            self.tail.extend_from_slice(&piece);
        }
    }

    fn seal_tail(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push_back(self.tail.split().freeze());
        }
    }

    /// Takes the piece that is to be the front.
    fn next(&mut self) -> Option<Bytes> {
        if self.pieces.is_empty() {
            self.seal_tail();
        }
        let piece = self.pieces.pop_front()?;
        self.length = self.length.saturating_sub(piece.len());
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn drain(queue: &mut SendQueue, step: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while !queue.is_empty() {
            let chunks = queue.prepare().unwrap();
            let pieces = chunks.as_slice();
            assert_eq!(pieces.iter().map(Bytes::len).sum::<usize>(), queue.asked());
            assert!(pieces.len() <= MAX_CHUNKS && pieces.iter().all(|chunk| !chunk.is_empty()));
            let count = queue.asked().min(step);
            out.extend(pieces.iter().flatten().take(count));
            // The token is gone before its completion arrives, or after.
            if out.len().is_multiple_of(2) {
                drop(chunks);
                queue.advance(count);
            } else {
                queue.advance(count);
            }
        }
        out
    }

    #[test]
    fn every_mix_of_pieces_comes_out_as_it_went_in_whatever_the_sends_take() {
        let sizes = [1, 2047, 3, 2048, 5, 6, 7, 4096, 100, 1999, 1999, 1999, 8, 3000, 1];
        for step in [1, 3, 1000, usize::MAX] {
            let mut queue = SendQueue::default();
            let mut expected = Vec::new();
            for (index, size) in sizes.into_iter().enumerate() {
                let data = Bytes::from(alloc::vec![u8::try_from(index).unwrap(); size]);
                expected.extend_from_slice(&data);
                assert_eq!(queue.push(data, usize::MAX), None);
            }
            assert_eq!(queue.len(), expected.len());
            assert_eq!(drain(&mut queue, step), expected, "step {step}");
        }
    }

    // B1
    #[test]
    fn it_takes_what_fits_and_gives_the_rest_back() {
        for first in [&b"abcdef"[..], b"ab"] {
            let mut queue = SendQueue::default();
            let mut rest = queue.push(Bytes::from_static(first), 4);
            if rest.is_none() {
                assert_eq!(queue.len(), 2);
                rest = queue.push(Bytes::from_static(b"cdef"), 4);
            }
            assert_eq!(rest.as_deref(), Some(&b"ef"[..]));
            assert_eq!(queue.push(Bytes::from_static(b"ef"), 4).as_deref(), Some(&b"ef"[..]));
            assert_eq!(queue.len(), 4);
            assert_eq!(drain(&mut queue, 3), b"abcd");
            assert_eq!(queue.push(Bytes::from_static(b"efgh"), 4), None);
        }
    }

    // B3
    #[test]
    fn small_pieces_between_large_ones_share_a_block() {
        let mut queue = SendQueue::default();
        for _ in 0..MAX_CHUNKS {
            queue.push(Bytes::from_static(b"x"), usize::MAX);
        }
        for _ in 0..3 {
            queue.push(Bytes::from_static(b"y"), usize::MAX);
            queue.push(Bytes::from_static(&[0; COPY_BELOW]), usize::MAX);
        }
        let behind = queue.pieces().skip(MAX_CHUNKS);
        let places: Vec<usize> = behind.filter(|piece| piece.len() == 1).map(|piece| piece.as_ptr().addr()).collect();
        assert_eq!(places, [places[0], places[0] + 1, places[0] + 2]);
    }

    // E4
    #[test]
    fn a_clone_cuts_its_pieces_where_the_original_does() {
        let mut queue = SendQueue::default();
        for _ in 0..=MAX_CHUNKS {
            queue.push(Bytes::from_static(b"x"), usize::MAX);
        }
        let mut clone = queue.clone();
        for piece in [1, COPY_BELOW - 1, COPY_BELOW - 1, 7, 1] {
            for queue in [&mut queue, &mut clone] {
                queue.push(Bytes::from(alloc::vec![0; piece]), usize::MAX);
            }
            let lengths = |queue: &SendQueue| queue.pieces().map(Bytes::len).collect::<Vec<_>>();
            assert_eq!(lengths(&queue), lengths(&clone));
        }
    }

    #[test]
    fn what_was_sent_is_not_held_and_the_list_of_pieces_is_used_again() {
        let mut queue = SendQueue::default();
        let data = Bytes::from(alloc::vec![7; 3]);
        let list = |queue: &mut SendQueue| {
            for index in 0..3 {
                queue.push(data.slice(index..=index), usize::MAX);
            }
            let Chunks::Several { list, used: 3 } = queue.prepare().unwrap() else { panic!("three pieces") };
            assert!(!data.is_unique());
            list
        };
        let first = list(&mut queue);
        let place = Arc::as_ptr(&first);
        drop(first);
        queue.advance(3);
        assert!(data.is_unique());
        let second = list(&mut queue);
        assert_eq!(Arc::as_ptr(&second), place);
        // Its token outlives the completion: what it holds, it alone holds.
        queue.advance(3);
        let third = list(&mut queue);
        assert!(!Arc::ptr_eq(&second, &third));
        drop((second, third));
        queue.advance(3);
        assert!(data.is_unique());
    }

    #[test]
    fn as_many_pieces_as_there_can_be_are_not_held_either() {
        let (mut queue, data) = (SendQueue::default(), Bytes::from(alloc::vec![7; 3]));
        for _ in 0..MAX_CHUNKS {
            queue.push(data.slice(..1), usize::MAX);
        }
        drop(queue.prepare());
        queue.advance(MAX_CHUNKS);
        assert!(data.is_unique());
    }

    #[test]
    fn what_is_behind_a_whole_send_goes_on_growing_while_that_is_in_flight() {
        let mut queue = SendQueue::default();
        for _ in 0..=MAX_CHUNKS {
            queue.push(Bytes::from_static(b"x"), usize::MAX);
        }
        assert_eq!(queue.prepare().unwrap().as_slice().len(), MAX_CHUNKS);
        queue.push(Bytes::from_static(b"y"), usize::MAX);
        queue.advance(MAX_CHUNKS);
        assert_eq!(queue.prepare().unwrap().as_slice(), [b"xy".as_slice()]);
    }

    // E4
    #[test]
    fn the_encoding_tells_where_pieces_are_cut_unless_one_send_carries_them_all() {
        let encode = |pieces: &[&'static [u8]], capacity| {
            let mut queue = SendQueue::default();
            for piece in pieces {
                queue.push(Bytes::from_static(piece), usize::MAX);
            }
            let mut out = Vec::new();
            queue.encode(capacity, false, &mut out);
            out
        };
        let [one, two, three]: [&[&[u8]]; 3] = [&[b"abc"], &[b"a", b"bc"], &[b"ab", b"c"]];
        for capacity in [MAX_CHUNKS + 1, 100] {
            assert_ne!(encode(one, capacity), encode(two, capacity));
            assert_ne!(encode(two, capacity), encode(three, capacity));
        }
        assert_eq!(encode(one, MAX_CHUNKS), encode(two, MAX_CHUNKS));
        let empty = encode(&[], 100);
        assert_eq!(empty.len(), 2 * encode(&[], 1).len(), "an empty queue has no pieces");
    }

    // X97: each block is filled to its last byte before the next is begun.
    #[test]
    fn a_block_is_filled_to_the_end_and_a_piece_that_fits_no_more_begins_the_next() {
        let mut queue = SendQueue::default();
        for _ in 0..MAX_CHUNKS {
            queue.push(Bytes::from_static(b"x"), usize::MAX);
        }
        for _ in 0..4 {
            queue.push(Bytes::from(alloc::vec![7; 1024]), usize::MAX);
        }
        assert_eq!(queue.pieces().count(), MAX_CHUNKS, "four kilobytes are one block, and it still grows");
        queue.push(Bytes::from_static(b"z"), usize::MAX);
        assert_eq!(queue.pieces().skip(MAX_CHUNKS).map(Bytes::len).collect::<Vec<_>>(), [4096]);
        queue.push(Bytes::from(alloc::vec![7; 2047]), usize::MAX);
        assert_eq!(queue.pieces().count(), MAX_CHUNKS + 1, "less than two kilobytes are copied");
        queue.push(Bytes::from(alloc::vec![7; 2048]), usize::MAX);
        assert_eq!(queue.pieces().skip(MAX_CHUNKS).map(Bytes::len).collect::<Vec<_>>(), [4096, 2048, 2048]);
    }

    #[test]
    fn a_backlog_of_small_slices_is_copied_and_does_not_pin_their_block() {
        let mut queue = SendQueue::default();
        for _ in 0..MAX_CHUNKS {
            queue.push(Bytes::from_static(b"x"), usize::MAX);
        }
        let block = Bytes::from(alloc::vec![7; 64 * 1024]);
        queue.push(block.slice(..10), usize::MAX);
        assert!(block.is_unique());
        queue.push(block.slice(..COPY_BELOW), usize::MAX);
        assert!(!block.is_unique());
    }
}
