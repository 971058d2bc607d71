//! What waits to be told to the application.

/// One of each at most, in one byte, so that with every message one look says that nothing waits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Inbox(u8);

impl Inbox {
    /// Bytes that have arrived and could not be delivered at once.
    pub(super) const DATA: u8 = 1;
    pub(super) const PEER_FINISHED: u8 = 2;
    /// What the peer has sent.
    pub(super) const ARRIVALS: u8 = 3;
    pub(super) const WRITABLE: u8 = 4;
    pub(super) const CLOSED: u8 = 8;

    #[inline]
    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// True if any of these waits.
    #[inline]
    pub(super) const fn has(self, any: u8) -> bool {
        self.0 & any != 0
    }

    pub(super) fn put(&mut self, what: u8) {
        self.0 |= what;
    }

    pub(super) fn remove(&mut self, what: u8) {
        self.0 &= !what;
    }

    /// Removes it; true if it was there.
    pub(super) fn take(&mut self, what: u8) -> bool {
        let there = self.has(what);
        self.remove(what);
        there
    }
}
