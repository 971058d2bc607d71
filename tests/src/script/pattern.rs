//! Bytes that know their place.

use bytes::Bytes;

/// An endless stream of bytes in which a lost, repeated or swapped byte shows: each byte is a hash of its position.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pattern(u64);

impl Pattern {
    /// What the application sends.
    pub const OURS: Self = Self(0x5eed_0001);
    /// What the peer sends.
    pub const THEIRS: Self = Self(0x5eed_0002);

    /// The `length` bytes from position `from` on.
    #[must_use]
    pub fn bytes(self, from: usize, length: usize) -> Bytes {
        (from..from.saturating_add(length)).map(|at| self.at(at)).collect()
    }

    /// True if `data` is what stands at position `from`.
    #[must_use]
    pub fn matches(self, from: usize, data: &[u8]) -> bool {
        data.iter().enumerate().all(|(index, byte)| *byte == self.at(from + index))
    }

    fn at(self, position: usize) -> u8 {
        let [first, ..] = (position as u64 ^ self.0).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
        first
    }
}
