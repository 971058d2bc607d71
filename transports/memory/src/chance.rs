//! Chance, from a seed.

use std::time::Duration;

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};

/// A seeded generator whose output is fixed by its algorithm (PCG XSL 128/64), on every platform and in every version.
#[derive(Clone, Debug)]
pub(crate) struct Chance(Pcg64Mcg);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Pcg64Mcg::seed_from_u64(seed))
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
