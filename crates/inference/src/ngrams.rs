//! Counts the n-grams of one text as 64-bit keys.
//!
//! Two families, as scikit-learn's `TfidfVectorizer` cuts them: word n-grams of tokens with two or more word characters
//! (`\b\w\w+\b`), and character n-grams inside blank-separated words padded with one blank (`char_wb`). No n-gram is kept
//! as text: its xxh3 hash is its name, the family is in the top bits. Among a million n-grams two share a key with a chance
//! of one in some ten million.
//!
//! Pairs of words that stand near each other, in either order, are a family of their own where [`FeatureConfig::word_pairs`] asks for it.
//! Words and characters are counted again in the beginning of the text where [`FeatureConfig::lead_chars`] asks for it.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use xxhash_rust::xxh3::xxh3_64;

use crate::config::FeatureConfig;

/// Set in the keys of character n-grams, so that sorted keys hold the words first.
pub(crate) const CHAR_FAMILY: u64 = 1 << 63;

/// Set in the keys of n-grams of the beginning of a text. Where no beginning is counted, this bit is one of the hash.
pub(crate) const LEAD_FAMILY: u64 = 1 << 62;

/// Set in the keys of pairs of words. Where none are counted, this bit is one of the hash.
pub(crate) const PAIR_FAMILY: u64 = 1 << 61;

impl FeatureConfig {
    /// The bits of a key that say which family it is of.
    pub(crate) fn family_bits(&self) -> u64 {
        let lead = if self.lead_chars > 0 { LEAD_FAMILY } else { 0 };
        let pairs = if self.word_pairs > 0 { PAIR_FAMILY } else { 0 };
        CHAR_FAMILY | lead | pairs
    }
}

/// Which family an n-gram is of, and in which bits of its key that stands.
#[derive(Clone, Copy)]
struct Family {
    mask: u64,
    bits: u64,
}

impl Family {
    fn key(self, hash: u64) -> u64 {
        (hash & !self.mask) | self.bits
    }
}

/// Keys are hashes already: hashing them again would be waste.
#[derive(Default)]
pub(crate) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        // the map looks at the top bits as well, and the top bit of a key is the same for a whole family
        self.0 = key.rotate_left(8);
    }
}

pub(crate) type KeyMap<T> = HashMap<u64, T, BuildHasherDefault<KeyHasher>>;

/// Counts n-grams, one text after the other; holds only buffers that are used again.
#[derive(Default)]
pub struct NgramCounter {
    counts: KeyMap<u32>,
    lowered: String,
    joined: String,
    padded: String,
    tokens: Vec<(usize, usize)>,
    /// Hashes of all words, those of one character included.
    words: Vec<u64>,
    boundaries: Vec<usize>,
}

impl NgramCounter {
    /// A counter with empty buffers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The keys of the n-grams of `text` with their counts, sorted by key.
    pub fn count(&mut self, config: &FeatureConfig, text: &str) -> Vec<(u64, u32)> {
        self.counts.clear();
        self.count_families(config, text, 0);
        if config.word_pairs > 0 {
            self.count_pairs(config.word_pairs, Family { mask: config.family_bits(), bits: PAIR_FAMILY });
        }
        if config.lead_chars > 0 {
            let end = text.char_indices().nth(config.lead_chars).map_or(text.len(), |(offset, _)| offset);
            self.count_families(config, &text[..end], LEAD_FAMILY);
        }
        let mut counts: Vec<(u64, u32)> = self.counts.iter().map(|(key, count)| (*key, *count)).collect();
        counts.sort_unstable_by_key(|(key, _)| *key);
        counts
    }

    fn count_families(&mut self, config: &FeatureConfig, text: &str, part: u64) {
        self.lowered.clear();
        // char by char: `str::to_lowercase` would allocate, and its final-sigma rule looks beyond the character
        self.lowered.extend(text.chars().flat_map(char::to_lowercase));
        let family = |bits: u64| Family { mask: config.family_bits(), bits: bits | part };
        self.find_words(config.word_pairs > 0);
        if config.word_ngrams[1] > 0 {
            self.count_words(config.word_ngrams, family(0));
        }
        if config.char_ngrams[1] > 0 {
            self.count_chars(config.char_ngrams, family(CHAR_FAMILY));
        }
    }

    fn find_words(&mut self, hashed: bool) {
        self.tokens.clear();
        self.words.clear();
        let mut start = None;
        let mut length = 0;
        for (offset, character) in self.lowered.char_indices().chain([(self.lowered.len(), ' ')]) {
            if character.is_alphanumeric() || character == '_' {
                start.get_or_insert(offset);
                length += 1;
            } else if let Some(begin) = start.take() {
                if hashed {
                    self.words.push(xxh3_64(&self.lowered.as_bytes()[begin..offset]));
                }
                if length >= 2 {
                    self.tokens.push((begin, offset));
                }
                length = 0;
            }
        }
    }

    fn count_pairs(&mut self, next: usize, family: Family) {
        for (first, word) in self.words.iter().enumerate() {
            for other in self.words[first + 1..].iter().take(next) {
                // a sum is the same in either order
                *self.counts.entry(family.key(word.wrapping_add(*other))).or_default() += 1;
            }
        }
    }

    fn count_words(&mut self, [low, high]: [usize; 2], family: Family) {
        for first in 0..self.tokens.len() {
            self.joined.clear();
            for (nth, (begin, end)) in self.tokens[first..].iter().take(high).enumerate() {
                if nth > 0 {
                    self.joined.push(' ');
                }
                self.joined.push_str(&self.lowered[*begin..*end]);
                if nth + 1 >= low {
                    *self.counts.entry(family.key(xxh3_64(self.joined.as_bytes()))).or_default() += 1;
                }
            }
        }
    }

    fn count_chars(&mut self, [low, high]: [usize; 2], family: Family) {
        for word in self.lowered.split_whitespace() {
            self.padded.clear();
            self.padded.push(' ');
            self.padded.push_str(word);
            self.padded.push(' ');
            self.boundaries.clear();
            self.boundaries.extend(self.padded.char_indices().map(|(offset, _)| offset));
            let length = self.boundaries.len();
            self.boundaries.push(self.padded.len());
            for size in low..=high {
                for first in 0..=length.saturating_sub(size) {
                    let end = self.boundaries[(first + size).min(length)];
                    let gram = &self.padded.as_bytes()[self.boundaries[first]..end];
                    *self.counts.entry(family.key(xxh3_64(gram))).or_default() += 1;
                }
                // as scikit-learn: a word no longer than this size is counted whole once, and not again for longer sizes
                if length <= size {
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(word_ngrams: [usize; 2], char_ngrams: [usize; 2]) -> FeatureConfig {
        FeatureConfig { word_ngrams, char_ngrams, word_pairs: 0, lead_chars: 0, sublinear_tf: false, min_df: 1, max_features: 100 }
    }

    fn word(text: &str) -> u64 {
        xxh3_64(text.as_bytes()) & !CHAR_FAMILY
    }

    fn chars(text: &str) -> u64 {
        xxh3_64(text.as_bytes()) | CHAR_FAMILY
    }

    fn expected(mut counts: Vec<(u64, u32)>) -> Vec<(u64, u32)> {
        counts.sort_unstable();
        counts
    }

    #[test]
    fn words_of_one_character_are_skipped_and_pairs_bridge_them() {
        let counts = NgramCounter::new().count(&config([1, 2], [0, 0]), "The fee, a FEE; don't");
        assert_eq!(
            counts,
            expected(vec![
                (word("the"), 1),
                (word("fee"), 2),
                (word("don"), 1),
                (word("the fee"), 1),
                (word("fee fee"), 1),
                (word("fee don"), 1)
            ])
        );
    }

    #[test]
    fn character_ngrams_stay_within_padded_words_and_count_a_short_word_once() {
        // " a " for 2: " a", "a "; for 3: the whole word, then no longer size
        let counts = NgramCounter::new().count(&config([0, 0], [2, 4]), "A  bc");
        assert_eq!(
            counts,
            expected(vec![
                (chars(" a"), 1),
                (chars("a "), 1),
                (chars(" a "), 1),
                (chars(" b"), 1),
                (chars("bc"), 1),
                (chars("c "), 1),
                (chars(" bc"), 1),
                (chars("bc "), 1),
                (chars(" bc "), 1)
            ])
        );
    }

    #[test]
    fn characters_beyond_ascii_are_cut_at_their_boundaries() {
        let counts = NgramCounter::new().count(&config([0, 0], [2, 2]), "É");
        assert_eq!(counts, expected(vec![(chars(" é"), 1), (chars("é "), 1)]));
    }

    #[test]
    fn the_beginning_is_counted_beside_the_whole_and_cut_between_characters() {
        let config = FeatureConfig { lead_chars: 6, ..config([1, 1], [0, 0]) };
        let hash = |text: &str| xxh3_64(text.as_bytes()) & !(CHAR_FAMILY | LEAD_FAMILY);
        let counts = NgramCounter::new().count(&config, "É fees fees");
        assert_eq!(counts, expected(vec![(hash("fees"), 2), (hash("fees") | LEAD_FAMILY, 1)]));
        // a text that ends before is a beginning as a whole
        let counts = NgramCounter::new().count(&config, "fee");
        assert_eq!(counts, expected(vec![(hash("fee"), 1), (hash("fee") | LEAD_FAMILY, 1)]));
    }

    #[test]
    fn words_near_each_other_are_pairs_in_either_order() {
        let config = FeatureConfig { word_pairs: 2, ..config([0, 0], [2, 2]) };
        let pairs = |text: &str| -> Vec<(u64, u32)> {
            let counts = NgramCounter::new().count(&config, text);
            counts.into_iter().filter(|(key, _)| key & (CHAR_FAMILY | PAIR_FAMILY) == PAIR_FAMILY).collect()
        };
        let pair = |a: &str, b: &str| {
            let sum = xxh3_64(a.as_bytes()).wrapping_add(xxh3_64(b.as_bytes()));
            (sum & !(CHAR_FAMILY | PAIR_FAMILY)) | PAIR_FAMILY
        };
        // words of one character count here; what lies more than two words apart is no pair
        assert_eq!(pairs("do I pay"), expected(vec![(pair("do", "i"), 1), (pair("do", "pay"), 1), (pair("i", "pay"), 1)]));
        assert_eq!(pairs("pay, I do!"), pairs("do i pay"));
        assert_eq!(pairs("do i pay do").iter().map(|(_, count)| count).sum::<u32>(), 5);
        assert_eq!(pairs("alone"), vec![]);
    }

    #[test]
    fn an_empty_text_has_no_ngram_and_buffers_do_not_leak_into_the_next() {
        let mut counter = NgramCounter::new();
        counter.count(&config([1, 2], [2, 5]), "something");
        assert_eq!(counter.count(&config([1, 2], [2, 5]), " \n"), vec![]);
    }
}
