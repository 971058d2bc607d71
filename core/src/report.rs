//! How connections end.

use core::fmt;

use crate::{Fault, OpKind};

/// The last thing that is said of a connection.
///
/// `sent` counts bytes that the transport took, which is not the same as bytes that the peer has read. [`Ending::Confirmed`] says that
/// both directions ended in order; that the peer has read everything follows from it only if the peer ends after us, as one does that
/// answers until our end. For more, let the peer's application say so.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CloseReport {
    /// Graceful or abortive (RFC 9293, MUST-12: an application must be able to tell).
    pub ending: Ending,
    /// Why the connection began to end.
    pub reason: CloseReason,
    /// What cut a graceful ending short, if something did: the first such thing.
    pub cut_short: Option<CloseReason>,
    /// Bytes delivered to the application.
    pub received: u64,
    /// Bytes received but not delivered: those drained while closing, those held back by a pause that never ended, those that came too
    /// late. What a receive of impossible size claims to hold is not counted.
    pub undelivered: u64,
    /// Bytes that the transport took.
    pub sent: u64,
    /// Bytes that the application had handed over and the transport never took.
    pub unsent: u64,
    /// Completions that were refused with a [`Misuse`](crate::Misuse): a count of the transport's mistakes.
    pub refused_completions: u64,
}

impl CloseReport {
    /// The report of a connection whose owner disappeared without one: nothing is known but that.
    pub const LOST: Self = Self {
        ending: Ending::Aborted,
        reason: CloseReason::Lost,
        cut_short: None,
        received: 0,
        undelivered: 0,
        sent: 0,
        unsent: 0,
        refused_completions: 0,
    };
}

/// `confirmed: finished; received 14, sent 14`
impl fmt::Display for CloseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.ending.name(), self.reason)?;
        if let Some(cut_short) = self.cut_short {
            write!(f, ", cut short: {cut_short}")?;
        }
        write!(f, "; received {}, sent {}", self.received, self.sent)?;
        if self.unsent > 0 {
            write!(f, ", unsent {}", self.unsent)?;
        }
        if self.undelivered > 0 {
            write!(f, ", undelivered {}", self.undelivered)?;
        }
        Ok(())
    }
}

/// The three ways to end. The facts at the close decide: an operation that was being cancelled may still have brought what was missing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Ending {
    /// Everything was sent, our FIN was sent, and the peer's EOF was read.
    Confirmed,
    /// Everything was sent and our FIN was sent, but nobody waited for the peer's EOF, or not long enough.
    Unconfirmed,
    /// The connection was reset, by us or by the peer, or broke.
    Aborted,
}

impl Ending {
    /// The name, in lower case: `"confirmed"`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Unconfirmed => "unconfirmed",
            Self::Aborted => "aborted",
        }
    }
}

/// Why a connection ends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum CloseReason {
    /// Both sides have finished: `finish()`, or a half-close on either side.
    Finished,
    /// `close_after_flush()`.
    ClosedAfterFlush,
    /// `abort()`.
    Aborted,
    /// The supervisor ordered an abort.
    Ordered,
    /// A drain's deadline has come.
    DrainDeadline,
    /// The total time for closing is over.
    ClosingTimeout,
    /// While lingering, the peer was silent for too long.
    LingerGap,
    /// While lingering, the peer sent more than the limit after our FIN.
    LingerBytes,
    /// Nothing was received for too long.
    ReadIdle,
    /// The transport took nothing of what was queued for too long.
    WriteStall,
    /// One direction had ended and nothing moved in the other for too long.
    HalfClosed,
    /// Receiving was paused for too long.
    Paused,
    /// An operation failed.
    Fault {
        /// The operation.
        operation: OpKind,
        /// What went wrong.
        fault: Fault,
    },
    /// The transport reported the socket as broken.
    Broken(Fault),
    /// The transport reported what cannot be: more bytes than asked for, or none.
    TransportFault {
        /// The operation.
        operation: OpKind,
    },
    /// The handler failed: it panicked, or a layer of it gave up.
    HandlerFailed,
    /// The owner of the connection disappeared.
    Lost,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Finished => "finished",
            Self::ClosedAfterFlush => "closed after the last byte was sent",
            Self::Aborted => "aborted by the application",
            Self::Ordered => "aborted by the supervisor",
            Self::DrainDeadline => "the drain deadline came",
            Self::ClosingTimeout => "closing took too long",
            Self::LingerGap => "the peer fell silent while closing",
            Self::LingerBytes => "the peer sent too much while closing",
            Self::ReadIdle => "nothing received for too long",
            Self::WriteStall => "the peer took nothing for too long",
            Self::HalfClosed => "half-closed for too long",
            Self::Paused => "paused for too long",
            Self::Fault { operation, fault } => return write!(f, "{} failed: {fault}", operation.name()),
            Self::Broken(fault) => return write!(f, "broken: {fault}"),
            Self::TransportFault { operation } => return write!(f, "the transport reported an impossible {}", operation.name()),
            Self::HandlerFailed => "the handler failed",
            Self::Lost => "its owner disappeared",
        })
    }
}
