//! The limits of one connection.

use core::time::Duration;

use super::{ConfigError, at_least_one, span, timeout};
use crate::time::Span;

/// The limits of one connection. The defaults, and where they come from, stand beside the setters.
///
/// If several time-outs are due when time is looked at, the first of these counts: the drain's deadline, the total time for
/// closing, the gap while lingering, `write_stall`, `half_closed`, `paused`, `read_idle`. A time-out that would end beyond the end of
/// time never ends.
///
/// ```
/// use core::time::Duration;
/// use sansock::ConnectionConfig;
///
/// let config = ConnectionConfig::default().read_idle(Some(Duration::from_secs(10)))?.send_queue(1024, 4096)?;
/// assert!(config.send_queue(2, 1).is_err());
/// # Ok::<(), sansock::ConfigError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[must_use]
pub struct ConnectionConfig {
    pub(crate) send_low: usize,
    pub(crate) send_high: usize,
    pub(crate) receive_size: usize,
    pub(crate) credit: u64,
    pub(crate) read_idle: Span,
    pub(crate) write_stall: Span,
    pub(crate) half_closed: Span,
    pub(crate) paused: Span,
    pub(crate) closing: Span,
    pub(crate) linger_gap: Span,
    pub(crate) linger_bytes: u64,
    pub(crate) retry_first: Duration,
    pub(crate) retry_most: Duration,
    pub(crate) mailbox: usize,
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self {
            send_low: 32 * 1024,
            send_high: 64 * 1024,
            receive_size: 64 * 1024,
            credit: u64::MAX,
            read_idle: Span::new(Duration::from_secs(60)),
            write_stall: Span::new(Duration::from_secs(60)),
            half_closed: Span::new(Duration::from_secs(60)),
            paused: Span::new(Duration::from_secs(60)),
            closing: Span::new(Duration::from_secs(30)),
            linger_gap: Span::new(Duration::from_secs(5)),
            linger_bytes: 16 * 1024 * 1024,
            retry_first: Duration::from_millis(5),
            retry_most: Duration::from_secs(1),
            mailbox: 64,
        }
    }
}

impl ConnectionConfig {
    /// The watermarks of the send queue, in bytes. The queue never holds more than `high`; once it holds that much, whether or not
    /// something was refused, the application is told as soon as it has fallen to `low`. Small pieces are copied together once there are
    /// more of them than one send carries; for that, and for all else, a connection allocates at most three times `high` and 16 KiB.
    /// Default 32 KiB and 64 KiB, as Netty's `WriteBufferWaterMark`.
    ///
    /// # Errors
    /// `high` is 0, or `low` is not below `high`.
    pub const fn send_queue(mut self, low: usize, high: usize) -> Result<Self, ConfigError> {
        if low >= high {
            return Err(ConfigError::new("send_queue", "the low watermark must be below the high one"));
        }
        self.send_low = low;
        self.send_high = high;
        Ok(self)
    }

    /// The most bytes that one receive asks for; of 4 GiB or more, 4 GiB less one byte. Default 64 KiB, as libuv suggests for its
    /// buffers: with 64 KiB in flight on each of 16 connections, 16 KiB took twice the CPU time. An idle connection holds no memory
    /// for it; a paused one may hold back this much.
    ///
    /// # Errors
    /// Zero, which would look like the end of the stream.
    pub const fn receive_size(mut self, bytes: usize) -> Result<Self, ConfigError> {
        match at_least_one("receive_size", bytes) {
            Ok(bytes) => self.receive_size = bytes,
            Err(error) => return Err(error),
        }
        Ok(self)
    }

    /// The bytes that may be received before the application must grant more. `u64::MAX`, the default, means without limit.
    pub const fn receive_credit(mut self, bytes: u64) -> Self {
        self.credit = bytes;
        self
    }

    /// How long nothing may be received while something is wanted. Then the connection is finished gracefully. It runs until the
    /// peer's end was read or our FIN was sent, except while receiving is paused or without credit; bytes that are received, and the end
    /// of a pause, start it again. Default 60 s (nginx: `client_header_timeout`, Thousand Island: `read_timeout`).
    ///
    /// # Errors
    /// `Some(0)`; use `None` to switch it off.
    pub const fn read_idle(mut self, span: Option<Duration>) -> Result<Self, ConfigError> {
        match timeout("read_idle", span) {
            Ok(span) => self.read_idle = Span::or_endless(span),
            Err(error) => return Err(error),
        }
        Ok(self)
    }

    /// How long the transport may take nothing although there is something to take: what is queued, and our FIN once it was asked
    /// for. Then the connection is aborted, since nothing that would still be sent could arrive. Default 60 s (nginx: `send_timeout`). A peer may keep its window shut for ever (RFC 9293, MUST-37): this
    /// is the limit.
    ///
    /// # Errors
    /// `Some(0)`; use `None` to switch it off.
    pub const fn write_stall(mut self, span: Option<Duration>) -> Result<Self, ConfigError> {
        match timeout("write_stall", span) {
            Ok(span) => self.write_stall = Span::or_endless(span),
            Err(error) => return Err(error),
        }
        Ok(self)
    }

    /// How long nothing may move after one direction has ended. If our FIN was sent, and nothing is received, the connection is
    /// aborted. If the peer's was received, and nothing is handed over nor taken by the transport, it is finished. Like `read_idle` it
    /// does not run while a pause, or the lack of credit, keeps anything from being received or delivered. Default 60 s (Linux: `tcp_fin_timeout`).
    ///
    /// # Errors
    /// `Some(0)`; use `None` to switch it off.
    pub const fn half_closed(mut self, span: Option<Duration>) -> Result<Self, ConfigError> {
        match timeout("half_closed", span) {
            Ok(span) => self.half_closed = Span::or_endless(span),
            Err(error) => return Err(error),
        }
        Ok(self)
    }

    /// How long the application may pause receiving, or leave the credit at zero, counted from when the one or the other began until
    /// neither is so. Then the connection is aborted. A pause counts only while it keeps something from being received or delivered: once
    /// the peer's end was delivered it does not. Default 60 s, as the other time-outs.
    ///
    /// # Errors
    /// `Some(0)`; use `None` to switch it off.
    pub const fn paused(mut self, span: Option<Duration>) -> Result<Self, ConfigError> {
        match timeout("paused", span) {
            Ok(span) => self.paused = Span::or_endless(span),
            Err(error) => return Err(error),
        }
        Ok(self)
    }

    /// The limits of a graceful ending: the total time from the call on, flush included; how long the peer may be silent after
    /// our FIN; and how many bytes are drained after it. Default 30 s and 5 s (nginx: `lingering_time`, `lingering_timeout`), and 16 MiB, which has no
    /// precedent: it bounds the work that a peer can cause. Every closing state has a deadline, so these cannot be switched off.
    ///
    /// # Errors
    /// A time of zero.
    pub const fn closing(mut self, total: Duration, gap: Duration, bytes: u64) -> Result<Self, ConfigError> {
        match (span("closing", total), span("closing", gap)) {
            (Ok(total), Ok(gap)) => {
                self.closing = Span::new(total);
                self.linger_gap = Span::new(gap);
            }
            (Err(error), _) | (_, Err(error)) => return Err(error),
        }
        self.linger_bytes = bytes;
        Ok(self)
    }

    /// The delays before a receive or send is tried again that failed because this host had run out of something; they double from
    /// `first` to `most` with each failure in a row. Receiving and sending each have their own: a fault of the one does not delay the
    /// other. Default 5 ms and 1 s, as for accepting.
    ///
    /// # Errors
    /// A delay of zero, or `most` below `first`.
    pub const fn retry(mut self, first: Duration, most: Duration) -> Result<Self, ConfigError> {
        match span("retry", first) {
            Ok(first) if most.as_nanos() >= first.as_nanos() => {
                self.retry_first = first;
                self.retry_most = most;
                Ok(self)
            }
            Ok(_) => Err(ConfigError::new("retry", "the longest delay must not be below the first")),
            Err(error) => Err(error),
        }
    }

    /// How many messages a session may have posted that were not yet taken away, and how many may wait for it where it has a thread of
    /// its own. What is more comes back to whoever posted it. Default 64, which has no precedent.
    ///
    /// # Errors
    /// Zero.
    pub const fn mailbox(mut self, messages: usize) -> Result<Self, ConfigError> {
        match at_least_one("mailbox", messages) {
            Ok(messages) => self.mailbox = messages,
            Err(error) => return Err(error),
        }
        Ok(self)
    }
}
