//! Random texts: equal for equal seeds, and without overlap between seeds.

use std::ops::Range;

/// A deterministic stream of numbers (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xA076_1D64_78BD_642F))
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) >> 33).unwrap() % bound
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
