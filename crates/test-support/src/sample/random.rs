//! Seeded random numbers. The generator is a crate; draws are implemented here, because a seed must give the same sample forever and
//! `rand` may change their results between releases.

use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{RngCore as _, SeedableRng as _};

/// A deterministic random number generator.
#[derive(Clone, Debug)]
pub(crate) struct Random(SplitMix64);

impl Random {
    /// The generator of one document, independent of all others.
    pub(crate) fn new(seed: u64, document: u64) -> Self {
        let mut random = Self(SplitMix64::seed_from_u64(seed ^ document.wrapping_mul(0xA076_1D64_78BD_642F)));
        // consecutive documents start from similar states: two rounds decorrelate them
        random.next();
        random.next();
        random
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `bound`, which must be at least 1.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// True with the given probability.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        ((self.next() >> 11) as f64 / (1_u64 << 53) as f64) < probability
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }

    /// An index drawn with the given weights.
    pub(crate) fn weighted(&mut self, weights: impl Iterator<Item = u32> + Clone) -> usize {
        let mut remaining = self.below(weights.clone().map(u64::from).sum::<u64>().max(1));
        let mut last = 0;
        for (index, weight) in weights.enumerate() {
            if remaining < u64::from(weight) {
                return index;
            }
            remaining -= u64::from(weight);
            last = index;
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_of_a_seed_never_changes() {
        let mut random = Random::new(7, 0);
        let drawn: Vec<u64> = (0..3).map(|_| random.below(1000)).collect();
        assert_eq!(drawn, [900, 582, 452]);
    }

    #[test]
    fn weights_hold_within_one_percent() {
        let mut random = Random::new(1, 1);
        let hits = (0..100_000).filter(|_| random.weighted([1, 3].into_iter()) == 1).count();
        assert!((74_000..76_000).contains(&hits), "{hits}");
    }
}
