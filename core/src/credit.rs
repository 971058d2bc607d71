//! How much the application wants to receive.

use alloc::vec::Vec;
use core::num::NonZeroUsize;

use crate::encode;

/// Pausing, an allowance of bytes, and the size of the receive in flight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Credit {
    paused: bool,
    /// Bytes that the receive in flight may bring. None brings 4 GiB or more.
    asked: u32,
    /// `u64::MAX` means without limit.
    left: u64,
}

impl Credit {
    pub(crate) const fn new(left: u64) -> Self {
        Self { paused: false, asked: 0, left }
    }

    /// True if the application wants nothing now.
    #[inline]
    pub(crate) const fn is_withheld(self) -> bool {
        self.paused || self.left == 0
    }

    #[inline]
    pub(crate) const fn is_paused(self) -> bool {
        self.paused
    }

    pub(crate) fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    pub(crate) fn grant(&mut self, bytes: u64) {
        self.left = self.left.saturating_add(bytes);
    }

    /// Bytes were received; a transport that reports more than it was allowed has been stopped before this.
    #[inline]
    pub(crate) fn spend(&mut self, bytes: u64) {
        if self.left != u64::MAX {
            self.left = self.left.saturating_sub(bytes);
        }
    }

    /// The most that the next receive may bring of `most` bytes.
    #[inline]
    pub(crate) fn receive_size(self, most: usize) -> usize {
        if self.paused { 0 } else { usize::try_from(self.left).unwrap_or(usize::MAX).min(most) }
    }

    /// A receive of so many bytes begins; how many it is. `None` if there is nothing to receive.
    #[inline]
    pub(crate) fn ask(&mut self, bytes: usize) -> Option<NonZeroUsize> {
        self.asked = u32::try_from(bytes).unwrap_or(u32::MAX);
        NonZeroUsize::new(self.asked())
    }

    #[inline]
    pub(crate) fn asked(self) -> usize {
        usize::try_from(self.asked).unwrap_or(usize::MAX)
    }

    pub(crate) fn encode(self, out: &mut Vec<u8>) {
        encode::flag(out, self.paused);
        encode::number(out, self.left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receive_of_4_gib_or_more_is_one_of_a_byte_less() {
        let mut credit = Credit::new(u64::MAX);
        let most = usize::try_from(u32::MAX).unwrap();
        assert_eq!(credit.ask(usize::MAX), NonZeroUsize::new(most));
        assert_eq!(credit.asked(), most);
        assert_eq!(credit.ask(0), None);
    }
}
