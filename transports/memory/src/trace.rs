//! A hash of everything that happens.

use sansock::Timestamp;

/// Odd, and half of its bits set: the constant of wyhash that a word is multiplied by.
const MULTIPLIER: u64 = 0xa076_1d64_78bd_642f;

/// Runs over every network event, operation and completion with its time. Two runs that differ anywhere have different hashes, except
/// by chance.
///
/// The hash is a number of 64 bits, 0 at first. A word is taken in by an exclusive or, a multiplication to 128 bits by a fixed odd number,
/// and an exclusive or of the two halves of the product. A happening is the words: its time in nanoseconds; its kind, plus the number
/// of its bytes times 256; its numbers; its bytes, eight at a time and little-endian, the last ones filled up with zeros. This is the
/// same on every platform.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Trace(u64);

impl Trace {
    pub(crate) const fn new() -> Self {
        Self(0)
    }

    pub(crate) const fn hash(self) -> u64 {
        self.0
    }

    #[inline]
    pub(crate) fn note<const COUNT: usize>(&mut self, now: Timestamp, kind: u8, numbers: [u64; COUNT], bytes: &[u8]) {
        self.word(now.as_nanos());
        self.word(u64::from(kind) | (bytes.len() as u64) << 8);
        for number in numbers {
            self.word(number);
        }
        if !bytes.is_empty() {
            self.bytes(bytes);
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let (words, last) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        if !last.is_empty() {
            self.word(last.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        }
    }

    #[inline]
    const fn word(&mut self, word: u64) {
        let product = (self.0 ^ word) as u128 * MULTIPLIER as u128;
        self.0 = product as u64 ^ (product >> 64) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_happening_counts_and_the_algorithm_stays_as_it_is() {
        fn hash<const COUNT: usize>(now: u64, kind: u8, numbers: [u64; COUNT], bytes: &[u8]) -> u64 {
            let mut trace = Trace::new();
            trace.note(Timestamp::from_nanos(now), kind, numbers, bytes);
            trace.hash()
        }
        let one = hash(1, 2, [3], b"four and five");
        for other in [
            hash(2, 2, [3], b"four and five"),
            hash(1, 3, [3], b"four and five"),
            hash(1, 2, [4], b"four and five"),
            hash(1, 2, [3, 0], b"four and five"),
            hash(1, 2, [3], b"four and fivf"),
            hash(1, 2, [3], b"four and five\0"),
        ] {
            assert_ne!(one, other);
        }
        assert_eq!(one, ALGORITHM);
    }

    /// Computed apart from this code.
    const ALGORITHM: u64 = 0xec60_7caf_b514_49ed;
}
