//! How much the application wants to receive.

use alloc::vec::Vec;

use crate::encode;

/// Pausing, and an allowance of bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Credit {
    paused: bool,
    /// `u64::MAX` means without limit.
    left: u64,
}

impl Credit {
    pub(crate) const fn new(left: u64) -> Self {
        Self { paused: false, left }
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

    /// The size of the next receive, at most `most`.
    #[inline]
    pub(crate) fn receive_size(self, most: usize) -> usize {
        if self.paused { 0 } else { usize::try_from(self.left).unwrap_or(usize::MAX).min(most) }
    }

    pub(crate) fn encode(self, out: &mut Vec<u8>) {
        encode::flag(out, self.paused);
        encode::number(out, self.left);
    }
}
