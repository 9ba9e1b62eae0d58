//! Sketch: a sample of the shingles of a text, small enough for an index. FracMinHash (Irber et al. 2022).
//!
//! A hash is kept if it is below a threshold that does not depend on the text. Two texts therefore keep the same hashes of the shingles
//! they share, and the fraction of shared hashes estimates containment, even if one text is much larger.

use crate::near_duplicates::shingles::{count_shared, for_each_shingle};

/// Rate of long texts: they keep one in `2^4` shingles.
const MAX_RATE: u8 = 4;
/// Minimum number of shingles of a long text, minus one. Shorter texts keep a larger fraction, so that about 16 to 32 hashes are expected.
const MAX_SHORT_SHINGLES: usize = 256;

/// The kept hashes of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sketch {
    /// One in `2^rate` shingles is kept.
    pub rate: u8,
    /// Sorted, without repetitions.
    pub hashes: Vec<u64>,
}

impl Sketch {
    /// Computes the sketch of a text; empty if it has fewer than eight words.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut hashes = Vec::new();
        // the length is not known in advance: start with the rate of a short text, and thin out while it grows
        let mut rate = 0;
        let mut seen = 0_usize;
        for_each_shingle(text, |hash| {
            seen += 1;
            while rate < rate_for(seen) {
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

    /// Restores a stored sketch.
    pub(super) fn from_stored(rate: i16, hashes: &[i64]) -> Self {
        let mut hashes: Vec<u64> = hashes.iter().map(|hash| hash.cast_unsigned()).collect();
        hashes.sort_unstable();
        Self { rate: u8::try_from(rate).unwrap_or(MAX_RATE), hashes }
    }

    /// Whether the texts may share half of the shingles of the smaller one, judging by the sketches.
    ///
    /// About 1 in 400 pairs that share exactly half are missed; fewer of those that share more.
    #[must_use]
    pub fn may_be_near(&self, other: &Self) -> bool {
        let rate = self.rate.max(other.rate);
        let (one, other) = (self.below(rate), other.below(rate));
        let matches = count_shared(one, other);
        matches >= min_matches(one.len().min(other.len()))
    }

    /// Returns the hashes that this rate keeps.
    fn below(&self, rate: u8) -> &[u64] {
        &self.hashes[..self.hashes.partition_point(|&hash| is_kept(hash, rate))]
    }
}

const fn is_kept(hash: u64, rate: u8) -> bool {
    rate == 0 || hash >> (64 - rate) == 0
}

const fn rate_for(shingles: usize) -> u8 {
    let mut rate = MAX_RATE;
    while rate > 0 && shingles <= MAX_SHORT_SHINGLES >> (MAX_RATE - rate) {
        rate -= 1;
    }
    rate
}

/// Returns the minimum number of matches: 2.8 standard deviations below the expected half of `hashes`; at least 1.
fn min_matches(hashes: usize) -> usize {
    #[expect(clippy::cast_precision_loss, reason = "a sketch has far fewer than 2^53 hashes")]
    let hashes = hashes as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small, and not below 1")]
    let matches = (hashes / 2.0 - 1.4 * hashes.sqrt()).ceil().max(1.0) as usize;
    matches
}

#[cfg(test)]
mod tests {
    use rand_xoshiro::SplitMix64;
    use rand_xoshiro::rand_core::{RngCore as _, SeedableRng as _};

    use super::*;
    use crate::near_duplicates::shingles::{MIN_CONTAINMENT, Shingles};

    fn numbered(from: usize, to: usize) -> String {
        (from..to).map(|number| format!("word{number} ")).collect()
    }

    #[test]
    fn short_texts_keep_all_hashes_and_long_texts_a_sixteenth() {
        assert_eq!([1, 32, 33, 128, 256, 257].map(rate_for), [0, 0, 1, 2, 3, 4]);
        assert_eq!(Sketch::of("too short").hashes.len(), 0);
        assert_eq!(Sketch::of(&numbered(0, 20)).hashes.len(), 13);
        let long = Sketch::of(&numbered(0, 32_007));
        assert_eq!(long.rate, 4);
        assert!((1_850..2_150).contains(&long.hashes.len()), "{}", long.hashes.len());
    }

    #[test]
    fn the_hashes_of_a_passage_do_not_depend_on_its_context() {
        let (small, large) = (Sketch::of(&numbered(1_000, 2_000)), Sketch::of(&numbered(0, 20_000)));
        assert_eq!(count_shared(&small.hashes, &large.hashes), small.hashes.len());
        assert!(small.may_be_near(&large) && large.may_be_near(&small));
    }

    #[test]
    fn sketches_of_different_rates_are_compared_at_the_coarser_one() {
        let (small, large) = (Sketch::of(&numbered(1_000, 1_200)), Sketch::of(&numbered(0, 20_000)));
        assert_eq!((small.rate, large.rate), (3, 4));
        assert!(small.may_be_near(&large));
        assert!(!small.may_be_near(&Sketch::of(&numbered(1_200, 21_000))));
    }

    /// A SplitMix64 sequence.
    struct Random(SplitMix64);

    impl Random {
        fn below(&mut self, bound: usize) -> usize {
            usize::try_from(self.0.next_u64() >> 33).unwrap() % bound
        }

        fn word(&mut self) -> String {
            format!("w{}", self.below(5_000))
        }

        fn text(&mut self, words: usize) -> Vec<String> {
            (0..words).map(|_| self.word()).collect()
        }

        /// Inserts, deletes and replaces words; `rate` is in edits per million words.
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
        let mut random = Random(SplitMix64::seed_from_u64(7));
        println!("{:>6} {:>8} {:>6} {:>6} {:>7} {:>10}", "words", "around", "pairs", "near", "missed", "false");
        let (mut all_near, mut all_missed) = (0, 0);
        let lengths =
            [(20, 0), (60, 0), (120, 0), (300, 0), (1_000, 0), (5_000, 0), (60, 1_000), (300, 1_000), (300, 10_000), (1_000, 20_000)];
        for (words, around) in lengths {
            let (mut near, mut missed, mut false_positives) = (0, 0, 0);
            let pairs = (100_000 / (words + around)).clamp(40, 400);
            for pair in 0..pairs {
                // 0 to 50 %; every second pair below 10 %, where the containment is near the threshold
                let rate = 500_000 * pair / pairs / if pair % 2 == 0 { 5 } else { 1 };
                let original = random.text(words);
                let mut other = random.edit(&original, rate);
                other.extend(random.text(around));
                let (one, other) = (original.join(" "), other.join(" "));
                let found = Sketch::of(&one).may_be_near(&Sketch::of(&other));
                if Shingles::of(&one).containment(&Shingles::of(&other)) >= MIN_CONTAINMENT {
                    near += 1;
                    missed += usize::from(!found);
                } else {
                    false_positives += usize::from(found);
                }
            }
            println!("{words:>6} {around:>8} {pairs:>6} {near:>6} {missed:>7} {false_positives:>10}");
            (all_near, all_missed) = (all_near + near, all_missed + missed);
        }
        println!("{all_missed} of {all_near} missed");
        assert!(all_near > 300, "{all_near}");
        assert!(all_missed * 50 <= all_near, "{all_missed} of {all_near} missed");
    }

    #[test]
    fn few_hashes_require_few_matches() {
        assert_eq!([0, 1, 9, 12, 16, 22, 100].map(min_matches), [1, 1, 1, 2, 3, 5, 36]);
    }
}
