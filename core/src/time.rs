//! Time as the core knows it: a number that somebody hands in.

use core::fmt;
use core::time::Duration;

/// A point in time: nanoseconds since an epoch that the embedder chooses.
///
/// The core never reads a clock. Each mutator takes `now`; a `now` earlier than one seen before counts as that earlier one
/// (time never runs backwards inside a machine). Arithmetic saturates, and [`Timestamp::NEVER`] is both the largest value
/// and the meaning "no deadline".
///
/// ```
/// use core::time::Duration;
/// use sansock::Timestamp;
///
/// let start = Timestamp::from_nanos(5);
/// assert_eq!(start + Duration::from_nanos(7), Timestamp::from_nanos(12));
/// assert_eq!(start + Duration::MAX, Timestamp::NEVER);
/// assert_eq!(start.saturating_since(Timestamp::NEVER), Duration::ZERO);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The epoch.
    pub const ZERO: Self = Self(0);
    /// No deadline: later than every other point, and never due.
    pub const NEVER: Self = Self(u64::MAX);
    /// The last point that a deadline can have: for what must end, however long its delay.
    pub(crate) const LAST: Self = Self(u64::MAX - 1);

    /// The point `nanos` nanoseconds after the epoch.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The point `millis` milliseconds after the epoch, saturating.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// The point `secs` seconds after the epoch, saturating.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000_000))
    }

    /// Nanoseconds since the epoch.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to `self`, or zero if `earlier` is later.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// True if this deadline is due at `now`. A deadline is due exactly at its time, never before; [`Timestamp::NEVER`] is never due.
    #[must_use]
    #[inline]
    pub const fn is_due(self, now: Self) -> bool {
        self.0 != u64::MAX && self.0 <= now.0
    }

    /// The time that is so much later. Saturates at [`Timestamp::NEVER`], which is also the end of what has none.
    #[inline]
    pub(crate) const fn after(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// `self` as an `Option`: `None` for [`Timestamp::NEVER`].
    #[must_use]
    #[inline]
    pub const fn as_deadline(self) -> Option<Self> {
        if self.0 == u64::MAX { None } else { Some(self) }
    }
}

impl core::ops::Add<Duration> for Timestamp {
    type Output = Self;

    /// Saturates at [`Timestamp::NEVER`].
    #[inline]
    fn add(self, span: Duration) -> Self {
        self.after(Span::new(span))
    }
}

/// A span of a time-out, as it is added to the time with every message: in nanoseconds, saturating, and the largest means without end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Span(u64);

impl Span {
    pub(crate) const ENDLESS: Self = Self(u64::MAX);

    #[inline]
    pub(crate) const fn new(span: Duration) -> Self {
        let [a, b, c, d] = span.subsec_nanos().to_be_bytes();
        let nanos = u64::from_be_bytes([0, 0, 0, 0, a, b, c, d]);
        Self(span.as_secs().saturating_mul(1_000_000_000).saturating_add(nanos))
    }

    /// `None` is without end.
    pub(crate) const fn or_endless(span: Option<Duration>) -> Self {
        match span {
            Some(span) => Self::new(span),
            None => Self::ENDLESS,
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Seconds with nine decimals, or `never`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_deadline() {
            None => f.write_str("never"),
            Some(_) => {
                let span = Duration::from_nanos(self.0);
                write!(f, "{}.{:09}s", span.as_secs(), span.subsec_nanos())
            }
        }
    }
}
