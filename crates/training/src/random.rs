//! Seeded random numbers that are the same on every machine and in every release.
//!
//! The generator is a crate; bounded draws and shuffling are implemented here because `rand` may change their results between releases.

use rand_xoshiro::{
    SplitMix64,
    rand_core::{RngCore, SeedableRng},
};

/// A SplitMix64 sequence.
#[derive(Debug, Clone)]
pub(crate) struct Random(SplitMix64);

impl Random {
    /// The sequence of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(SplitMix64::seed_from_u64(seed))
    }

    /// A sequence that is independent of other streams of the same seed.
    pub(crate) fn with_stream(seed: u64, stream: u64) -> Self {
        let mut random = Self::new(seed ^ stream.wrapping_mul(0xd605_bbb5_8c8a_bc37));
        random.0.next_u64();
        random
    }

    /// A number below `bound`, which must be at least 1.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.0.next_u64() % bound as u64) as usize
    }

    /// Shuffles items in place (Fisher–Yates).
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_match_the_published_values_of_splitmix64() {
        let mut random = Random::new(1_234_567);
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423, 4_593_380_528_125_082_431];
        assert_eq!([(); 4].map(|()| random.0.next_u64()), expected);
    }

    #[test]
    fn streams_of_a_seed_differ() {
        let draw = |stream| (0..4).scan(Random::with_stream(1, stream), |random, _| Some(random.below(1000))).collect::<Vec<_>>();
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
