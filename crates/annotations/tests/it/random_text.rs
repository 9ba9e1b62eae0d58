//! Random texts: equal for equal seeds, and without overlap between seeds.

use std::ops::Range;

use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{RngCore as _, SeedableRng as _};

/// A SplitMix64 sequence.
pub(crate) struct Random(SplitMix64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(SplitMix64::seed_from_u64(seed.wrapping_mul(0xA076_1D64_78BD_642F)))
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.0.next_u64() >> 33).unwrap() % bound
    }
}

/// A text with a number of words from a vocabulary of 4,000.
pub(crate) fn random_text(seed: u64, words: usize) -> String {
    let mut random = Random::new(seed);
    (0..words).map(|_| format!("w{}", random.below(4_000))).collect::<Vec<_>>().join(" ")
}

/// A range of the words of a text.
pub(crate) fn words(text: &str, range: Range<usize>) -> String {
    text.split(' ').skip(range.start).take(range.len()).collect::<Vec<_>>().join(" ")
}
