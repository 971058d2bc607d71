//! The time-outs of a connection.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::{Timestamp, encode};

/// What a time-out is for. The order decides which one counts when several are due at once; it is the one that
/// [`ConnectionConfig`](crate::ConnectionConfig) promises.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Timeout {
    /// The drain's deadline, set by the supervisor.
    Drain,
    /// The total time for closing.
    Closing,
    /// Silence of the peer while lingering.
    LingerGap,
    /// The transport takes nothing of what is queued.
    WriteStall,
    /// One direction has ended and nothing moves in the other.
    HalfClosed,
    /// The application has paused receiving.
    Paused,
    /// Nothing is received.
    ReadIdle,
    /// A receive that had run out of something is tried again.
    RetryReceive,
    /// A send that had run out of something is tried again.
    RetrySend,
}

impl Timeout {
    const ALL: [Self; 9] = [
        Self::Drain,
        Self::Closing,
        Self::LingerGap,
        Self::WriteStall,
        Self::HalfClosed,
        Self::Paused,
        Self::ReadIdle,
        Self::RetryReceive,
        Self::RetrySend,
    ];
}

/// When each of them is due. `NEVER` means not armed.
///
/// Silence of the peer, whatever it means, is one time-out at a time, and is armed with every message; three are for what hardly ever happens.
#[derive(Clone, Debug)]
pub(crate) struct Timers {
    /// Which of [`Timeout::guards_receiving`] `receiving` is.
    guard: Timeout,
    receiving: Timestamp,
    write_stall: Timestamp,
    closing: Timestamp,
    rare: Option<Box<Rare>>,
}

#[derive(Clone, Debug)]
struct Rare {
    drain: Timestamp,
    retry_receive: Timestamp,
    retry_send: Timestamp,
}

impl Timeout {
    /// One of these is armed at a time.
    #[inline]
    const fn guards_receiving(self) -> bool {
        matches!(self, Self::LingerGap | Self::HalfClosed | Self::Paused | Self::ReadIdle)
    }
}

impl Timers {
    pub(crate) const NONE: Self = Self {
        guard: Timeout::ReadIdle,
        receiving: Timestamp::NEVER,
        write_stall: Timestamp::NEVER,
        closing: Timestamp::NEVER,
        rare: None,
    };

    /// Arms the time-out. Of those that [guard receiving](Timeout::guards_receiving) it takes the place of the one before.
    #[inline]
    pub(crate) fn set(&mut self, timeout: Timeout, at: Timestamp) {
        if timeout.guards_receiving() {
            self.guard = timeout;
        }
        if let Some(slot) = self.slot(timeout, at != Timestamp::NEVER) {
            *slot = at;
        }
    }

    /// Disarms the time-out. Of those that guard receiving, this is for the one that is armed.
    #[inline]
    pub(crate) fn clear(&mut self, timeout: Timeout) {
        self.set(timeout, Timestamp::NEVER);
    }

    /// Nothing guards receiving.
    pub(crate) fn clear_guard(&mut self) {
        self.receiving = Timestamp::NEVER;
    }

    /// Brings the time-out forward to `at`, unless it is due before that.
    pub(crate) fn advance(&mut self, timeout: Timeout, at: Timestamp) {
        self.set(timeout, at.min(self.at(timeout)));
    }

    #[inline]
    pub(crate) fn is_armed(&self, timeout: Timeout) -> bool {
        self.at(timeout) != Timestamp::NEVER
    }

    #[inline]
    pub(crate) fn earliest(&self) -> Timestamp {
        let earliest = self.receiving.min(self.write_stall).min(self.closing);
        match &self.rare {
            None => earliest,
            Some(rare) => earliest.min(rare.drain).min(rare.retry_receive).min(rare.retry_send),
        }
    }

    /// Takes one time-out that is due, disarming it.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Option<Timeout> {
        let due = Timeout::ALL.into_iter().find(|timeout| self.at(*timeout).is_due(now))?;
        self.clear(due);
        Some(due)
    }

    pub(crate) fn encode(&self, now: Timestamp, out: &mut Vec<u8>) {
        for timeout in Timeout::ALL {
            encode::deadline(out, self.at(timeout), now);
        }
    }

    #[inline]
    fn at(&self, timeout: Timeout) -> Timestamp {
        let rare = |at: fn(&Rare) -> Timestamp| self.rare.as_deref().map_or(Timestamp::NEVER, at);
        match timeout {
            Timeout::Drain => rare(|rare| rare.drain),
            Timeout::Closing => self.closing,
            Timeout::WriteStall => self.write_stall,
            Timeout::LingerGap | Timeout::HalfClosed | Timeout::Paused | Timeout::ReadIdle if self.guard == timeout => {
                self.receiving
            }
            Timeout::LingerGap | Timeout::HalfClosed | Timeout::Paused | Timeout::ReadIdle => Timestamp::NEVER,
            Timeout::RetryReceive => rare(|rare| rare.retry_receive),
            Timeout::RetrySend => rare(|rare| rare.retry_send),
        }
    }

    /// Where the time-out is kept. `None` if it has no place and needs none, because it is not to be armed.
    #[inline]
    fn slot(&mut self, timeout: Timeout, arm: bool) -> Option<&mut Timestamp> {
        let slot: fn(&mut Rare) -> &mut Timestamp = match timeout {
            Timeout::Closing => return Some(&mut self.closing),
            Timeout::WriteStall => return Some(&mut self.write_stall),
            Timeout::LingerGap | Timeout::HalfClosed | Timeout::Paused | Timeout::ReadIdle => return Some(&mut self.receiving),
            Timeout::Drain => |rare| &mut rare.drain,
            Timeout::RetryReceive => |rare| &mut rare.retry_receive,
            Timeout::RetrySend => |rare| &mut rare.retry_send,
        };
        if arm {
            self.rare.get_or_insert_default();
        }
        self.rare.as_deref_mut().map(slot)
    }
}

impl Default for Rare {
    fn default() -> Self {
        Self { drain: Timestamp::NEVER, retry_receive: Timestamp::NEVER, retry_send: Timestamp::NEVER }
    }
}
