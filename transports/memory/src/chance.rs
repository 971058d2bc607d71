//! Chance, from a seed.

use std::time::Duration;

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};
use sansock::Timestamp;

use crate::trace::Trace;

/// A seeded generator whose output is fixed by its algorithm (PCG XSL 128/64), on every platform and in every version.
#[derive(Clone, Debug)]
pub(crate) struct Chance(Pcg64Mcg);

/// What a generator decides. Each purpose of each host and machine has a generator of its own, so that one more host, or one more kind
/// of fault, does not change what the others draw.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    Jitter = 1,
    Shortness = 2,
    Lateness = 3,
    Loss = 4,
}

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Pcg64Mcg::seed_from_u64(seed))
    }

    /// The generator of this purpose for whatever has this key, of which 56 bits count.
    pub(crate) fn of_key(seed: u64, purpose: Purpose, key: u64) -> Self {
        // The generator sets the two lowest bits of its state, whatever they were: nothing may depend on them.
        let low = key << 8 | (purpose as u64) << 2;
        let mut state = [0; 16];
        state[..8].copy_from_slice(&low.to_le_bytes());
        state[8..].copy_from_slice(&seed.to_le_bytes());
        // The state as it is would make the first numbers of similar seeds similar.
        let mut first = Pcg64Mcg::from_seed(state);
        first.next_u64();
        Self::new(first.next_u64())
    }

    /// The generator of this purpose for a pair: the way from one host to another, or a host's machine.
    pub(crate) fn between(seed: u64, purpose: Purpose, from: u64, to: u64) -> Self {
        let mut both = Trace::new();
        both.note(Timestamp::ZERO, 255, [from, to], &[]);
        Self::of_key(seed, purpose, both.hash())
    }

    /// A number below `limit`; zero if there is none.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        // The bias of a remainder is far below what a simulation could notice.
        self.0.next_u64().checked_rem(limit).unwrap_or(0)
    }

    /// True once in `n`; never if `n` is 0.
    pub(crate) fn one_in(&mut self, n: u32) -> bool {
        n > 0 && self.below(u64::from(n)) == 0
    }

    /// A length from 1 to `most`.
    pub(crate) fn length(&mut self, most: usize) -> usize {
        usize::try_from(self.below(most as u64)).unwrap_or(0) + 1
    }

    /// A span from zero to `most`.
    pub(crate) fn span(&mut self, most: Duration) -> Duration {
        if most.is_zero() {
            return Duration::ZERO;
        }
        let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.below(nanos.saturating_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_seed_purpose_and_key_draws_on_its_own() {
        let draw = |seed, purpose, key| Chance::of_key(seed, purpose, key).below(u64::MAX);
        let mut drawn = vec![
            draw(1, Purpose::Jitter, 0),
            draw(2, Purpose::Jitter, 0),
            draw(1, Purpose::Jitter, 1),
            draw(1, Purpose::Shortness, 0),
            draw(1, Purpose::Lateness, 0),
        ];
        assert_eq!(drawn[0], draw(1, Purpose::Jitter, 0));
        let mut draw = |purpose, from, to| drawn.push(Chance::between(1, purpose, from, to).below(u64::MAX));
        draw(Purpose::Jitter, 0, 0);
        draw(Purpose::Jitter, 0, 1);
        draw(Purpose::Jitter, 1, 0);
        draw(Purpose::Loss, 0, 1);
        drawn.extend((0..1_000).map(|seed| Chance::of_key(seed, Purpose::Lateness, 7).below(u64::MAX)));
        drawn.extend((0..1_000).map(|number| Chance::of_key(7, Purpose::Shortness, number).below(u64::MAX)));
        let count = drawn.len();
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), count);
    }
}
