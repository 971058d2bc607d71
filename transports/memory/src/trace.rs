//! A hash of everything that happens.

use sansock::Timestamp;

/// Runs over every network event, operation and completion with its time (FNV-1a, 64 bits). Two runs that differ anywhere have different
/// hashes, except by chance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Trace(u64);

impl Trace {
    pub(crate) const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(crate) const fn hash(self) -> u64 {
        self.0
    }

    pub(crate) fn note(&mut self, now: Timestamp, what: u8, numbers: &[u64], bytes: &[u8]) {
        self.add(&now.as_nanos().to_le_bytes());
        self.add(&[what]);
        for number in numbers {
            self.add(&number.to_le_bytes());
        }
        self.add(bytes);
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
