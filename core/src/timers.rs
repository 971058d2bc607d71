//! The time-outs of a connection.

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
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timers {
    drain: Timestamp,
    closing: Timestamp,
    linger_gap: Timestamp,
    write_stall: Timestamp,
    half_closed: Timestamp,
    paused: Timestamp,
    read_idle: Timestamp,
    retry_receive: Timestamp,
    retry_send: Timestamp,
}

impl Timers {
    pub(crate) const NONE: Self = Self {
        drain: Timestamp::NEVER,
        closing: Timestamp::NEVER,
        linger_gap: Timestamp::NEVER,
        write_stall: Timestamp::NEVER,
        half_closed: Timestamp::NEVER,
        paused: Timestamp::NEVER,
        read_idle: Timestamp::NEVER,
        retry_receive: Timestamp::NEVER,
        retry_send: Timestamp::NEVER,
    };

    pub(crate) fn set(&mut self, timeout: Timeout, at: Timestamp) {
        *self.slot(timeout) = at;
    }

    pub(crate) fn clear(&mut self, timeout: Timeout) {
        self.set(timeout, Timestamp::NEVER);
    }

    /// Brings the time-out forward to `at`, unless it is due before that.
    pub(crate) fn advance(&mut self, timeout: Timeout, at: Timestamp) {
        let slot = self.slot(timeout);
        *slot = at.min(*slot);
    }

    pub(crate) fn is_armed(&self, timeout: Timeout) -> bool {
        self.at(timeout) != Timestamp::NEVER
    }

    pub(crate) fn earliest(&self) -> Timestamp {
        Timeout::ALL.into_iter().map(|timeout| self.at(timeout)).min().unwrap_or(Timestamp::NEVER)
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

    fn at(&self, timeout: Timeout) -> Timestamp {
        match timeout {
            Timeout::Drain => self.drain,
            Timeout::Closing => self.closing,
            Timeout::LingerGap => self.linger_gap,
            Timeout::WriteStall => self.write_stall,
            Timeout::HalfClosed => self.half_closed,
            Timeout::Paused => self.paused,
            Timeout::ReadIdle => self.read_idle,
            Timeout::RetryReceive => self.retry_receive,
            Timeout::RetrySend => self.retry_send,
        }
    }

    fn slot(&mut self, timeout: Timeout) -> &mut Timestamp {
        match timeout {
            Timeout::Drain => &mut self.drain,
            Timeout::Closing => &mut self.closing,
            Timeout::LingerGap => &mut self.linger_gap,
            Timeout::WriteStall => &mut self.write_stall,
            Timeout::HalfClosed => &mut self.half_closed,
            Timeout::Paused => &mut self.paused,
            Timeout::ReadIdle => &mut self.read_idle,
            Timeout::RetryReceive => &mut self.retry_receive,
            Timeout::RetrySend => &mut self.retry_send,
        }
    }
}
