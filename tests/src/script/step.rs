//! What a script says.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arbitrary::Arbitrary;
use sansock::{ConfigError, ConnectionConfig, FaultKind, Timestamp};

/// A whole script: a connection, what happens to it, and how it is brought to its end.
#[derive(Clone, Arbitrary)]
pub struct Script {
    /// The connection's limits.
    pub limits: Limits,
    /// When it is opened.
    pub epoch: Epoch,
    /// Outputs are polled by [`Step::Poll`] alone, instead of after every step: the contract has no "drain before the next call" rule.
    pub lazy: bool,
    /// What happens.
    pub steps: Vec<Step>,
    /// What happens after that.
    pub finale: Finale,
}

/// One line a step.
impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "script")?;
        writeln!(f, "  {:?}", self.limits)?;
        writeln!(f, "  opened at {:?}, polled {}", self.epoch, if self.lazy { "by Poll alone" } else { "after every step" })?;
        for (index, step) in self.steps.iter().enumerate() {
            writeln!(f, "  {index:3} {step:?}")?;
        }
        write!(f, "  end {:?}", self.finale)
    }
}

/// When a connection is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Arbitrary)]
pub enum Epoch {
    /// At zero.
    Zero,
    /// So late that deadlines saturate.
    NearlyNever,
}

impl Epoch {
    /// The time that it stands for.
    #[must_use]
    pub const fn start(self) -> Timestamp {
        match self {
            Self::Zero => Timestamp::ZERO,
            Self::NearlyNever => Timestamp::from_nanos(u64::MAX - 2_000),
        }
    }
}

/// The limits of the connection. Values that make no sense are moved to the nearest that does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Arbitrary)]
pub struct Limits {
    /// The send queue's low watermark.
    pub low: u16,
    /// How far the high watermark is above it.
    pub above: u16,
    /// The most that one receive asks for.
    pub receive: u16,
    /// The receive credit; `None` for no limit.
    pub credit: Option<u16>,
    /// Time-out of receiving.
    pub read_idle: Option<Span>,
    /// Time-out of sending.
    pub write_stall: Option<Span>,
    /// Time-out of a half-closed connection.
    pub half_closed: Option<Span>,
    /// Time-out of a pause.
    pub paused: Option<Span>,
    /// The total time for closing.
    pub closing: Span,
    /// The time between two receives while lingering.
    pub gap: Span,
    /// The bytes that may come while lingering.
    pub linger: u16,
    /// The first delay of a retry.
    pub retry: Span,
    /// How often the delay may double.
    pub doublings: u8,
}

/// A span of time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Arbitrary)]
pub enum Span {
    /// This many nanoseconds; 0 counts as 1.
    Nanos(u16),
    /// The longest duration that there is.
    Longest,
}

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        match span {
            Span::Nanos(nanos) => Self::from_nanos(u64::from(nanos.max(1))),
            Span::Longest => Self::MAX,
        }
    }
}

impl Limits {
    /// The high watermark.
    #[must_use]
    pub fn high(&self) -> usize {
        usize::from(self.low) + usize::from(self.above.max(1))
    }

    /// The most that one receive asks for.
    #[must_use]
    pub fn receive_size(&self) -> usize {
        usize::from(self.receive.max(1))
    }

    /// The longest delay of a retry.
    #[must_use]
    pub fn longest_retry(&self) -> Duration {
        Duration::from(self.retry).saturating_mul(1 << (self.doublings % 4))
    }

    /// The core's own form.
    #[must_use]
    pub fn config(&self) -> Arc<ConnectionConfig> {
        Arc::new(self.build().expect("limits are moved to what makes sense"))
    }

    fn build(&self) -> Result<ConnectionConfig, ConfigError> {
        ConnectionConfig::default()
            .send_queue(usize::from(self.low), self.high())?
            .receive_size(self.receive_size())?
            .receive_credit(self.credit.map_or(u64::MAX, u64::from))
            .read_idle(self.read_idle.map(Duration::from))?
            .write_stall(self.write_stall.map(Duration::from))?
            .half_closed(self.half_closed.map(Duration::from))?
            .paused(self.paused.map(Duration::from))?
            .closing(self.closing.into(), self.gap.into(), u64::from(self.linger))?
            .retry(self.retry.into(), self.longest_retry())
    }
}

/// One thing that happens. A step that needs an operation in flight does nothing without one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Arbitrary)]
pub enum Step {
    /// The application sends this many bytes.
    Send(u16),
    /// It stops receiving.
    Pause,
    /// It receives again.
    Resume,
    /// It grants credit.
    Grant(u16),
    /// It ends its direction.
    HalfClose,
    /// It ends the connection gracefully.
    Finish,
    /// It ends the connection without waiting for the peer.
    CloseAfterFlush,
    /// It aborts.
    Abort,
    /// The supervisor drains: a deadline this many nanoseconds from now, or ago.
    DrainBy(i16),
    /// The peer sends: the receive in flight gets 1 to its most bytes.
    Receive(u16),
    /// The receive in flight is filled.
    ReceiveFull,
    /// The receive in flight gets the peer's FIN.
    Eof,
    /// The transport takes 1 to all bytes of the send in flight.
    Sent(u16),
    /// It takes all of them.
    SentAll,
    /// The shutdown or the close in flight is done.
    Done(Target),
    /// The operation in flight fails with this fault, by its place in [`FaultKind::ALL`].
    Fail(Target, u8),
    /// Everything that was cancelled completes as cancelled.
    Cancelled,
    /// The transport reports the socket as broken; if false, it names another socket.
    Broken(bool, u8),
    /// The transport breaks the contract.
    Hostile(Hostile),
    /// Time passes, and nobody looks.
    Wait(u16),
    /// Time passes, and time-outs are handled.
    Tick(u16),
    /// Time passes up to the deadline, and it is handled.
    Deadline,
    /// Time passes until one nanosecond before the deadline.
    AlmostDeadline,
    /// Hours pass at once, and time-outs are handled.
    Jump(u8),
    /// The clock is set back.
    Back(u16),
    /// At most this many outputs are polled.
    Poll(u8),
}

/// One of the four kinds of operation that a connection submits and that complete.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Arbitrary)]
pub enum Target {
    /// The receive.
    Recv,
    /// The send.
    Send,
    /// The shutdown of sending.
    Shutdown,
    /// The close.
    Close,
}

impl Target {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Recv, Self::Send, Self::Shutdown, Self::Close];
}

/// A completion that cannot be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Arbitrary)]
pub enum Hostile {
    /// An operation is completed again; the number chooses which one, from the latest back.
    Again(u8),
    /// An operation that was never submitted.
    Unasked(Target, u8),
    /// The right slot, another generation.
    Stale(Target),
    /// Another slot.
    Unknown(Target),
    /// A kind of operation that connections do not have; the number chooses the kind.
    Foreign(u8),
    /// An operation in flight comes to an outcome of another kind; the number chooses the outcome.
    WrongOutcome(Target, u8),
    /// Nothing was sent.
    SentZero,
    /// More was sent than asked for; 0 stands for `usize::MAX`.
    SentTooMuch(u16),
    /// Nothing was received, and yet it is no EOF.
    EmptyData,
    /// More was received than asked for.
    TooMuchData(u8),
}

/// How a script ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Arbitrary)]
pub enum Finale {
    /// `abort()` over a dead transport: it completes only what was cancelled, and Close.
    AbortOverDeadTransport,
    /// `finish()` over a dead transport.
    FinishOverDeadTransport,
    /// `close_after_flush()` over a dead transport.
    FlushOverDeadTransport,
    /// `drain_by()` over a dead transport.
    DrainOverDeadTransport,
    /// No call at all: the time-outs alone, over a dead transport.
    TimeoutsOverDeadTransport,
    /// `finish()` over a fair transport and a fair peer; the number is the most bytes that each send takes (0: all).
    FinishOverFairTransport(u8),
    /// The same, but the peer is silent: it neither sends nor ends.
    FinishTowardsSilentPeer(u8),
    /// `close_after_flush()` over a fair transport.
    FlushOverFairTransport(u8),
}

/// The fault that a number stands for.
pub(crate) fn fault(number: u8) -> FaultKind {
    let all = FaultKind::ALL;
    all[usize::from(number) % all.len()]
}
