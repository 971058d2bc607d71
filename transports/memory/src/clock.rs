//! Clocks of hosts.

use std::time::Duration;

use sansock::Timestamp;

const MILLION: u64 = 1_000_000;

/// How a host's clock tells the simulation's time: it may have jumped, and it may run too fast or too slow. At first it is right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Clock {
    /// The simulation's time when the clock was touched last.
    since: Timestamp,
    /// What the clock told then.
    then: Timestamp,
    /// How much it goes on in a million units of the simulation's time; one at least.
    rate: u64,
}

impl Default for Clock {
    fn default() -> Self {
        Self { since: Timestamp::ZERO, then: Timestamp::ZERO, rate: MILLION }
    }
}

impl Clock {
    /// What the clock tells at this time of the simulation.
    #[inline]
    pub(crate) fn local(&self, now: Timestamp) -> Timestamp {
        if self.is_right() { now } else { self.wrong_local(now) }
    }

    fn wrong_local(&self, now: Timestamp) -> Timestamp {
        let passed = u128::from(now.saturating_since(self.since).as_nanos() as u64);
        self.then + nanos(passed * u128::from(self.rate) / u128::from(MILLION))
    }

    /// The first time of the simulation at which the clock tells this, or later.
    #[inline]
    pub(crate) fn simulated(&self, local: Timestamp) -> Timestamp {
        if self.is_right() || local == Timestamp::NEVER { local } else { self.wrong_simulated(local) }
    }

    fn wrong_simulated(&self, local: Timestamp) -> Timestamp {
        let ahead = u128::from(local.saturating_since(self.then).as_nanos() as u64);
        self.since + nanos((ahead * u128::from(MILLION)).div_ceil(u128::from(self.rate)))
    }

    pub(crate) fn jump(&mut self, now: Timestamp, by: Duration) {
        (self.then, self.since) = (self.local(now) + by, now);
    }

    pub(crate) fn drift(&mut self, now: Timestamp, millionths: i32) {
        (self.then, self.since) = (self.local(now), now);
        self.rate = MILLION.saturating_add_signed(i64::from(millionths)).max(1);
    }

    #[inline]
    fn is_right(&self) -> bool {
        self.rate == MILLION && self.since == self.then
    }
}

fn nanos(nanos: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(nanos: u64) -> Timestamp {
        Timestamp::from_nanos(nanos)
    }

    #[test]
    fn jumps_add_up_and_drifts_multiply() {
        let mut clock = Clock::default();
        assert_eq!(clock.local(at(10)), at(10));
        clock.jump(at(10), Duration::from_nanos(5));
        assert_eq!((clock.local(at(10)), clock.local(at(20))), (at(15), at(25)));
        clock.jump(at(10), Duration::from_nanos(7));
        assert_eq!((clock.local(at(10)), clock.local(at(20))), (at(22), at(32)));
        let mut clock = Clock::default();
        clock.jump(at(10), Duration::from_nanos(5));
        clock.drift(at(20), 500_000);
        assert_eq!((clock.local(at(20)), clock.local(at(30))), (at(25), at(40)));
        clock.drift(at(30), i32::MIN);
        assert_eq!(clock.local(at(30 + 3_000_000)), at(43), "it does not stand still");
        assert_eq!(clock.simulated(Timestamp::NEVER), Timestamp::NEVER);
    }

    proptest! {
        /// So a time-out is neither early nor put off without end.
        #[test]
        fn the_first_time_at_which_the_clock_tells_something(
            start in 0..1_000_u64, jump in 0..1_000_u64, millionths in -999_999..2_000_000, ahead in 0..10_000_u64
        ) {
            let mut clock = Clock::default();
            clock.jump(at(start), Duration::from_nanos(jump));
            clock.drift(at(start), millionths);
            let wanted = at(start + jump + ahead);
            let first = clock.simulated(wanted);
            prop_assert!(clock.local(first) >= wanted);
            if first > at(start) {
                prop_assert!(clock.local(at(first.as_nanos() - 1)) < wanted);
            }
        }
    }
}
