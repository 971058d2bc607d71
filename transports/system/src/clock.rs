//! Real time as the core's.

use std::time::{Duration, Instant};

use sansock::Timestamp;

/// A monotonic clock whose epoch is its creation. Machines that share a driver share a clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn new() -> Self {
        Self(Instant::now())
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::ZERO + self.0.elapsed()
    }

    /// How long to wait for `deadline`; zero if it is due.
    #[must_use]
    pub fn until(&self, deadline: Timestamp) -> Duration {
        deadline.saturating_since(self.now())
    }

    /// `deadline` as the standard library counts; `None` for [`Timestamp::NEVER`] and what is too far away to be counted.
    #[must_use]
    pub fn instant(&self, deadline: Timestamp) -> Option<Instant> {
        deadline.as_deadline()?;
        self.0.checked_add(deadline.saturating_since(Timestamp::ZERO))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // F5
    #[test]
    fn time_goes_on_and_never_is_never() {
        let clock = Clock::new();
        let one = clock.now();
        assert!(clock.now() >= one);
        assert_eq!(clock.until(one), Duration::ZERO);
        assert_eq!(clock.instant(Timestamp::NEVER), None);
        assert!(clock.instant(Timestamp::from_secs(1)).is_some());
        assert!(clock.until(Timestamp::NEVER) > Duration::from_secs(1_000_000));
    }
}
