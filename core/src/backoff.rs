//! Waiting longer after each failure in a row.

use core::time::Duration;

use crate::{Timestamp, encode};

/// A delay that doubles from `first` to `most`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    most: Duration,
    /// The delay after the next failure; `None` while nothing has failed.
    next: Option<Duration>,
}

impl Backoff {
    pub(crate) const fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, next: None }
    }

    /// Something failed: when to try again.
    pub(crate) fn fail(&mut self, now: Timestamp) -> Timestamp {
        let delay = self.next.unwrap_or(self.first).min(self.most);
        self.next = Some(delay.saturating_mul(2).min(self.most));
        now + delay
    }

    /// Something succeeded.
    pub(crate) fn reset(&mut self) {
        self.next = None;
    }

    /// True if there was a failure since the last success.
    pub(crate) fn is_failing(&self) -> bool {
        self.next.is_some()
    }

    pub(crate) fn encode(&self, out: &mut alloc::vec::Vec<u8>) {
        let nanos = self.next.map_or(0, |next| u64::try_from(next.as_nanos()).unwrap_or(u64::MAX));
        encode::number(out, nanos);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_the_most_and_starts_again_after_a_success() {
        let mut backoff = Backoff::new(Duration::from_millis(5), Duration::from_millis(18));
        let mut delays = [0; 4].map(|_: i32| backoff.fail(Timestamp::ZERO).as_nanos() / 1_000_000);
        assert_eq!(delays, [5, 10, 18, 18]);
        backoff.reset();
        assert!(!backoff.is_failing());
        delays[0] = backoff.fail(Timestamp::ZERO).as_nanos() / 1_000_000;
        assert_eq!(delays[0], 5);
    }

    // X68
    #[test]
    fn x068_a_delay_never_overflows() {
        let mut backoff = Backoff::new(Duration::MAX, Duration::MAX);
        assert_eq!(backoff.fail(Timestamp::ZERO), Timestamp::NEVER);
        assert_eq!(backoff.fail(Timestamp::from_secs(1)), Timestamp::NEVER);
    }
}
