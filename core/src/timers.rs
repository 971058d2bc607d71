//! The time-outs of a connection.

use crate::Timestamp;

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
    pub(crate) const ALL: [Self; 9] = [
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

/// When those are due that most connections do not have before they end. `NEVER` means not armed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RareTimers {
    pub(crate) drain: Timestamp,
    pub(crate) closing: Timestamp,
    pub(crate) retry_receive: Timestamp,
    pub(crate) retry_send: Timestamp,
}

impl RareTimers {
    #[inline]
    pub(crate) fn earliest(&self) -> Timestamp {
        self.drain.min(self.closing).min(self.retry_receive).min(self.retry_send)
    }
}

impl Default for RareTimers {
    fn default() -> Self {
        let never = Timestamp::NEVER;
        Self { drain: never, closing: never, retry_receive: never, retry_send: never }
    }
}
