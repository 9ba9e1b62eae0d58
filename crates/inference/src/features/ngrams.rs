//! N-gram counting. N-grams are represented by 64-bit keys.
//!
//! There are two basic feature families, as in scikit-learn's `TfidfVectorizer`: word n-grams of tokens with two or more word characters
//! (`\b\w\w+\b`), and character n-grams within whitespace-separated words padded with one space (`char_wb`). A key is the xxh3 hash of the
//! n-gram with the family in its top bits. The probability of a collision among a million n-grams is about one in ten million.
//!
//! From version 2 of the features on, texts are composed (NFC), marks and joiners belong to their words, and every character of a script
//! without blanks (Chinese, Japanese, Thai, Lao, Khmer, Burmese) is a word. Version 1 is kept for models that were trained with it.
//!
//! [`FeatureConfig::word_pairs`] adds a family of unordered pairs of nearby words. [`FeatureConfig::lead_chars`] adds families for the
//! words and characters at the beginning of the text.

use std::{
    borrow::Cow,
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use aprendiz_text::{WordPart, canonical};
use xxhash_rust::xxh3::xxh3_64;

use super::config::FeatureConfig;

/// Set in keys of character n-grams, so that words sort first.
pub(crate) const CHAR_FAMILY: u64 = 1 << 63;

/// Set in keys of n-grams of the leading characters. Without such families, this bit belongs to the hash.
pub(crate) const LEAD_FAMILY: u64 = 1 << 62;

/// Set in keys of word pairs. Without word pairs, this bit belongs to the hash.
pub(crate) const PAIR_FAMILY: u64 = 1 << 61;

impl FeatureConfig {
    /// Mask of the key bits that encode the family.
    pub(crate) fn family_bits(&self) -> u64 {
        let lead = if self.lead_chars > 0 { LEAD_FAMILY } else { 0 };
        let pairs = if self.word_pairs > 0 { PAIR_FAMILY } else { 0 };
        CHAR_FAMILY | lead | pairs
    }
}

/// A feature family: its bits, and the mask of all family bits.
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

/// Hasher for keys, which are already hashes.
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
        // hash maps also use the top bits, which are constant within a family
        self.0 = key.rotate_left(8);
    }
}

pub(crate) type KeyMap<T> = HashMap<u64, T, BuildHasherDefault<KeyHasher>>;

/// Counts n-grams of texts, reusing its buffers.
#[derive(Default)]
pub struct NgramCounter {
    counts: KeyMap<u32>,
    pub(super) lowered: String,
    pub(super) joined: String,
    padded: String,
    pub(super) tokens: Vec<(usize, usize)>,
    /// Hashes of all words, including words of one character.
    pub(super) words: Vec<u64>,
    /// The ranges of these words.
    pub(super) word_ranges: Vec<(usize, usize)>,
    boundaries: Vec<usize>,
}

impl NgramCounter {
    /// A counter with empty buffers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts the n-grams of a text. Returns keys with counts, sorted by key.
    pub fn count(&mut self, config: &FeatureConfig, text: &str) -> Vec<(u64, u32)> {
        self.counts.clear();
        let text = if config.is_canonical() { visible(canonical(text)) } else { Cow::Borrowed(text) };
        self.count_families(config, &text, 0);
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
        // per character: `str::to_lowercase` allocates, and its final-sigma rule depends on the context
        self.lowered.extend(text.chars().flat_map(char::to_lowercase));
        let family = |bits: u64| Family { mask: config.family_bits(), bits: bits | part };
        self.find_words(config);
        if config.word_ngrams[1] > 0 {
            self.count_words(config.word_ngrams, family(0));
        }
        if config.char_ngrams[1] > 0 {
            self.count_chars(config.char_ngrams, family(CHAR_FAMILY));
        }
    }

    pub(super) fn find_words(&mut self, config: &FeatureConfig) {
        self.tokens.clear();
        self.words.clear();
        self.word_ranges.clear();
        let hash_words = config.word_pairs > 0;
        let part = if config.is_canonical() { part_of } else { alphanumeric_part_of };
        // start and number of letters of the open word; marks do not count
        let (mut start, mut letters, mut is_single) = (None, 0, false);
        for (offset, character) in self.lowered.char_indices().chain([(self.lowered.len(), ' ')]) {
            let part = part(character);
            let continues = match part {
                WordPart::Letter => !is_single,
                WordPart::Mark | WordPart::Invisible => true,
                WordPart::Single | WordPart::Separator => false,
            };
            if !continues && let Some(begin) = start.take() {
                if hash_words {
                    self.words.push(xxh3_64(&self.lowered.as_bytes()[begin..offset]));
                    self.word_ranges.push((begin, offset));
                }
                if letters >= 2 || is_single {
                    self.tokens.push((begin, offset));
                }
                (letters, is_single) = (0, false);
            }
            match part {
                WordPart::Letter | WordPart::Single => {
                    start.get_or_insert(offset);
                    letters += 1;
                    is_single = part == WordPart::Single;
                }
                // a mark without a letter is no word
                WordPart::Mark | WordPart::Invisible | WordPart::Separator => {}
            }
        }
    }

    fn count_pairs(&mut self, max_distance: usize, family: Family) {
        for (first, word) in self.words.iter().enumerate() {
            for other in self.words[first + 1..].iter().take(max_distance) {
                // a sum is independent of the order
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
                // as in scikit-learn: a word no longer than this size is counted once as a whole, and not again for larger sizes
                if length <= size {
                    break;
                }
            }
        }
    }
}

/// The text without the characters that make no difference to its words.
pub(super) fn visible(text: Cow<'_, str>) -> Cow<'_, str> {
    let is_visible = |character: char| character.is_ascii() || WordPart::of(character) != WordPart::Invisible;
    if text.chars().all(is_visible) { text } else { Cow::Owned(text.chars().filter(|character| is_visible(*character)).collect()) }
}

/// The part of a character in a word; as in `\\w`, an underscore is a letter.
fn part_of(character: char) -> WordPart {
    if character == '_' { WordPart::Letter } else { WordPart::of(character) }
}

/// As [`part_of`], for version 1 of the features.
fn alphanumeric_part_of(character: char) -> WordPart {
    if character.is_alphanumeric() || character == '_' { WordPart::Letter } else { WordPart::Separator }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::FEATURES_VERSION;

    fn config(word_ngrams: [usize; 2], char_ngrams: [usize; 2]) -> FeatureConfig {
        FeatureConfig {
            version: FEATURES_VERSION,
            word_ngrams,
            char_ngrams,
            word_pairs: 0,
            lead_chars: 0,
            sublinear_tf: false,
            min_df: 1,
            max_features: 100,
        }
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
    fn one_character_words_are_skipped_and_bridged_by_bigrams() {
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
    fn character_ngrams_stay_within_padded_words_and_count_short_words_once() {
        // " a " for 2: " a", "a "; for 3: the whole word; larger sizes are skipped
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
    fn non_ascii_characters_are_split_at_character_boundaries() {
        let counts = NgramCounter::new().count(&config([0, 0], [2, 2]), "É");
        assert_eq!(counts, expected(vec![(chars(" é"), 1), (chars("é "), 1)]));
    }

    #[test]
    fn characters_of_scripts_without_blanks_are_words() {
        let counts = NgramCounter::new().count(&config([1, 2], [0, 0]), "第12号、合同");
        let words = ["第", "12", "号", "合", "同", "第 12", "12 号", "号 合", "合 同"];
        assert_eq!(counts, expected(words.iter().map(|gram| (word(gram), 1)).collect()));
        // a vowel sign belongs to its consonant
        let counts = NgramCounter::new().count(&config([1, 1], [0, 0]), "กี่");
        assert_eq!(counts, vec![(word("กี่"), 1)]);
    }

    #[test]
    fn marks_cut_no_word_and_normal_forms_are_equal() {
        let count = |text: &str| NgramCounter::new().count(&FeatureConfig { lead_chars: 5, ..config([1, 2], [2, 3]) }, text);
        assert_eq!(count("Goia\u{301}s e Sa\u{303}o Paulo"), count("Goiás e São Paulo"));
        assert_eq!(count("con\u{AD}tract"), count("contract"));
        let counts = NgramCounter::new().count(&config([1, 1], [0, 0]), "अनुबन्ध पत्र");
        assert_eq!(counts, expected(vec![(word("अनुबन्ध"), 1), (word("पत्र"), 1)]));
    }

    #[test]
    fn older_models_count_as_they_were_trained() {
        let first = FeatureConfig { version: 1, ..config([1, 1], [0, 0]) };
        let counts = NgramCounter::new().count(&first, "合同 Goia\u{301}s");
        assert_eq!(counts, expected(vec![(word("合同"), 1), (word("goia"), 1)]));
    }

    #[test]
    fn leading_characters_are_counted_in_addition_to_the_text() {
        let config = FeatureConfig { lead_chars: 6, ..config([1, 1], [0, 0]) };
        let hash = |text: &str| xxh3_64(text.as_bytes()) & !(CHAR_FAMILY | LEAD_FAMILY);
        let counts = NgramCounter::new().count(&config, "É fees fees");
        assert_eq!(counts, expected(vec![(hash("fees"), 2), (hash("fees") | LEAD_FAMILY, 1)]));
        // a shorter text is counted completely
        let counts = NgramCounter::new().count(&config, "fee");
        assert_eq!(counts, expected(vec![(hash("fee"), 1), (hash("fee") | LEAD_FAMILY, 1)]));
    }

    #[test]
    fn nearby_words_form_unordered_pairs() {
        let config = FeatureConfig { word_pairs: 2, ..config([0, 0], [2, 2]) };
        let pairs = |text: &str| -> Vec<(u64, u32)> {
            let counts = NgramCounter::new().count(&config, text);
            counts.into_iter().filter(|(key, _)| key & (CHAR_FAMILY | PAIR_FAMILY) == PAIR_FAMILY).collect()
        };
        let pair = |a: &str, b: &str| {
            let sum = xxh3_64(a.as_bytes()).wrapping_add(xxh3_64(b.as_bytes()));
            (sum & !(CHAR_FAMILY | PAIR_FAMILY)) | PAIR_FAMILY
        };
        // one-character words are included; words more than two words apart form no pair
        assert_eq!(pairs("do I pay"), expected(vec![(pair("do", "i"), 1), (pair("do", "pay"), 1), (pair("i", "pay"), 1)]));
        assert_eq!(pairs("pay, I do!"), pairs("do i pay"));
        assert_eq!(pairs("do i pay do").iter().map(|(_, count)| count).sum::<u32>(), 5);
        assert_eq!(pairs("alone"), vec![]);
    }

    #[test]
    fn empty_texts_have_no_ngrams_and_buffers_are_reset() {
        let mut counter = NgramCounter::new();
        counter.count(&config([1, 2], [2, 5]), "something");
        assert_eq!(counter.count(&config([1, 2], [2, 5]), " \n"), vec![]);
    }
}
