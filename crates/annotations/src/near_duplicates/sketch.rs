//! A sample of the shingles of a text, small enough to be indexed: FracMinHash (Irber et al. 2022).
//!
//! A hash is kept when it is below a threshold, whatever text it comes from: so of the shingles that two texts share both keep
//! the same ones, and the share of shared hashes estimates containment, also where one text is much larger.

use crate::near_duplicates::shingles::{for_each_shingle, shared};

/// Long texts keep one shingle of `2^DENSEST_OF_LONG`.
const RATE_OF_LONG: u8 = 4;
/// Texts with no more shingles than this keep a larger share, so that some 16 to 32 hashes are expected.
const LONG: usize = 256;

/// The hashes that are kept of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sketch {
    /// One of `2^rate` shingles is kept.
    pub rate: u8,
    /// Sorted, without repetitions.
    pub hashes: Vec<u64>,
}

impl Sketch {
    /// The sketch of a text; empty when it has fewer than eight words.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut hashes = Vec::new();
        // until it is known how long the text is, everything is kept that a short one would keep
        let mut rate = 0;
        let mut seen = 0_usize;
        for_each_shingle(text, |hash| {
            seen += 1;
            while rate < rate_of(seen) {
                rate += 1;
                hashes.retain(|&kept| is_kept(kept, rate));
            }
            if is_kept(hash, rate) {
                hashes.push(hash);
            }
        });
        hashes.sort_unstable();
        hashes.dedup();
        Self { rate, hashes }
    }

    /// A sketch as it was stored.
    pub(super) fn stored(rate: i16, hashes: &[i64]) -> Self {
        let mut hashes: Vec<u64> = hashes.iter().map(|hash| hash.cast_unsigned()).collect();
        hashes.sort_unstable();
        Self { rate: u8::try_from(rate).unwrap_or(RATE_OF_LONG), hashes }
    }

    /// Whether the texts may share half of the shingles of the smaller one, as far as the sketches tell.
    ///
    /// Of texts that share just half, some 1 in 400 are taken for strangers here; of those that share more, fewer.
    #[must_use]
    pub fn may_be_near(&self, other: &Self) -> bool {
        let rate = self.rate.max(other.rate);
        let (one, other) = (self.below(rate), other.below(rate));
        let matches = shared(one, other);
        matches >= least_matches(one.len().min(other.len()))
    }

    /// The hashes that a text of this rate would have kept.
    fn below(&self, rate: u8) -> &[u64] {
        &self.hashes[..self.hashes.partition_point(|&hash| is_kept(hash, rate))]
    }
}

const fn is_kept(hash: u64, rate: u8) -> bool {
    rate == 0 || hash >> (64 - rate) == 0
}

const fn rate_of(shingles: usize) -> u8 {
    let mut rate = RATE_OF_LONG;
    while rate > 0 && shingles <= LONG >> (RATE_OF_LONG - rate) {
        rate -= 1;
    }
    rate
}

/// 2.8 standard deviations below the half that is expected of `hashes` when half of the shingles are shared; at least 1.
fn least_matches(hashes: usize) -> usize {
    #[expect(clippy::cast_precision_loss, reason = "a sketch has far fewer than 2^53 hashes")]
    let hashes = hashes as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small, and not below 1")]
    let matches = (hashes / 2.0 - 1.4 * hashes.sqrt()).ceil().max(1.0) as usize;
    matches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::near_duplicates::LEAST_CONTAINMENT;
    use crate::near_duplicates::shingles::Shingles;

    fn numbered(from: usize, to: usize) -> String {
        (from..to).map(|number| format!("word{number} ")).collect()
    }

    #[test]
    fn short_texts_keep_everything_and_long_ones_a_sixteenth() {
        assert_eq!([1, 32, 33, 128, 256, 257].map(rate_of), [0, 0, 1, 2, 3, 4]);
        assert_eq!(Sketch::of("too short").hashes.len(), 0);
        assert_eq!(Sketch::of(&numbered(0, 20)).hashes.len(), 13);
        let long = Sketch::of(&numbered(0, 32_007));
        assert_eq!(long.rate, 4);
        assert!((1_850..2_150).contains(&long.hashes.len()), "{}", long.hashes.len());
    }

    #[test]
    fn what_a_text_keeps_does_not_depend_on_what_stands_around_it() {
        let (small, large) = (Sketch::of(&numbered(1_000, 2_000)), Sketch::of(&numbered(0, 20_000)));
        assert_eq!(shared(&small.hashes, &large.hashes), small.hashes.len());
        assert!(small.may_be_near(&large) && large.may_be_near(&small));
    }

    #[test]
    fn sketches_of_different_rates_are_compared_at_the_coarser_one() {
        let (small, large) = (Sketch::of(&numbered(1_000, 1_200)), Sketch::of(&numbered(0, 20_000)));
        assert_eq!((small.rate, large.rate), (3, 4));
        assert!(small.may_be_near(&large));
        assert!(!small.may_be_near(&Sketch::of(&numbered(1_200, 21_000))));
    }

    /// A deterministic stream of numbers (SplitMix64).
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: usize) -> usize {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            usize::try_from((z ^ (z >> 31)) >> 33).unwrap() % bound
        }

        fn word(&mut self) -> String {
            format!("w{}", self.below(5_000))
        }

        fn text(&mut self, words: usize) -> Vec<String> {
            (0..words).map(|_| self.word()).collect()
        }

        /// Inserts, deletes and replaces words: so many of a million.
        fn edit(&mut self, words: &[String], rate: usize) -> Vec<String> {
            let mut edited = Vec::new();
            for word in words {
                if self.below(1_000_000) >= rate {
                    edited.push(word.clone());
                    continue;
                }
                match self.below(3) {
                    0 => edited.extend([self.word(), word.clone()]),
                    1 => {}
                    _ => edited.push(self.word()),
                }
            }
            edited
        }
    }

    /// `cargo test … recall -- --nocapture` prints the table of docs/decisions/0009-near-duplicates.md.
    #[test]
    fn recall_against_brute_force_over_edited_texts_is_high() {
        let mut random = Random(7);
        println!("{:>6} {:>8} {:>6} {:>6} {:>7} {:>10}", "words", "around", "pairs", "near", "missed", "strangers");
        let (mut all_near, mut all_missed) = (0, 0);
        let shapes =
            [(20, 0), (60, 0), (120, 0), (300, 0), (1_000, 0), (5_000, 0), (60, 1_000), (300, 1_000), (300, 10_000), (1_000, 20_000)];
        for (words, around) in shapes {
            let (mut near, mut missed, mut strangers) = (0, 0, 0);
            let pairs = (100_000 / (words + around)).clamp(40, 400);
            for pair in 0..pairs {
                // from 0 to 50 %; every second pair under 10 %, where the limit of a half is
                let rate = 500_000 * pair / pairs / if pair % 2 == 0 { 5 } else { 1 };
                let original = random.text(words);
                let mut other = random.edit(&original, rate);
                other.extend(random.text(around));
                let (one, other) = (original.join(" "), other.join(" "));
                let found = Sketch::of(&one).may_be_near(&Sketch::of(&other));
                if Shingles::of(&one).containment(&Shingles::of(&other)) >= LEAST_CONTAINMENT {
                    near += 1;
                    missed += usize::from(!found);
                } else {
                    strangers += usize::from(found);
                }
            }
            println!("{words:>6} {around:>8} {pairs:>6} {near:>6} {missed:>7} {strangers:>10}");
            (all_near, all_missed) = (all_near + near, all_missed + missed);
        }
        println!("{all_missed} of {all_near} missed");
        assert!(all_near > 300, "{all_near}");
        assert!(all_missed * 50 <= all_near, "{all_missed} of {all_near} missed");
    }

    #[test]
    fn few_matches_are_asked_of_few_hashes() {
        assert_eq!([0, 1, 9, 12, 16, 22, 100].map(least_matches), [1, 1, 1, 2, 3, 5, 36]);
    }
}
