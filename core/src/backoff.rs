//! Waiting longer after each failure in a row.

use core::time::Duration;

use crate::{Timestamp, encode};

/// A delay that doubles. Its limits are the owner's configuration, handed in: there is one of these, or two, for each connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backoff {
    /// The delay after the next failure, in nanoseconds; 0, which is no delay, while nothing has failed.
    next: u64,
}

impl Backoff {
    /// Something failed: when to try again. The delay doubles from `first` to `most`. Never is not an answer: a delay that reaches beyond
    /// the end of time is over just before it.
    pub(crate) fn fail(&mut self, now: Timestamp, first: Duration, most: Duration) -> Timestamp {
        let delay = if self.is_failing() { self.next } else { nanos(first) };
        self.next = delay.saturating_mul(2).min(nanos(most));
        (now + Duration::from_nanos(delay)).min(Timestamp::LAST)
    }

    /// Something succeeded.
    pub(crate) fn reset(&mut self) {
        self.next = 0;
    }

    /// True if there was a failure since the last success.
    pub(crate) fn is_failing(&self) -> bool {
        self.next > 0
    }

    pub(crate) fn encode(&self, out: &mut alloc::vec::Vec<u8>) {
        encode::number(out, self.next);
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_the_most_and_starts_again_after_a_success() {
        let mut backoff = Backoff::default();
        let fail = |backoff: &mut Backoff| {
            let again = backoff.fail(Timestamp::ZERO, Duration::from_millis(5), Duration::from_millis(18));
            again.as_nanos() / 1_000_000
        };
        assert_eq!([0; 4].map(|_: i32| fail(&mut backoff)), [5, 10, 18, 18]);
        backoff.reset();
        assert!(!backoff.is_failing());
        assert_eq!(fail(&mut backoff), 5);
    }

    // X68, F2, B10
    #[test]
    fn x068_a_delay_never_overflows_and_always_ends() {
        let mut backoff = Backoff::default();
        for now in [Timestamp::ZERO, Timestamp::from_secs(1), Timestamp::NEVER] {
            let again = backoff.fail(now, Duration::MAX, Duration::MAX);
            assert_eq!(again, Timestamp::LAST);
            assert_ne!(again.as_deadline(), None);
        }
    }
}
