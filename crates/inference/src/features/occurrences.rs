//! Where the n-grams of a text occur, by its words: runs of characters without white space.

use std::borrow::Cow;

use aprendiz_text::canonical;
use xxhash_rust::xxh3::xxh3_64;

use super::config::FeatureConfig;
use super::ngrams::{CHAR_FAMILY, LEAD_FAMILY, NgramCounter, PAIR_FAMILY, visible};

/// An occurrence of an n-gram in a word.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Occurrence {
    /// Key of the n-gram.
    pub(crate) key: u64,
    /// Index of the word.
    pub(crate) word: u32,
    /// Part of the n-gram that is in this word: an n-gram of several words occurs in each of them.
    pub(crate) share: f32,
}

impl NgramCounter {
    /// The words of a text as the features see it, and all occurrences of n-grams in them.
    pub(crate) fn occurrences(&mut self, config: &FeatureConfig, text: &str) -> (Vec<String>, Vec<Occurrence>) {
        let text = if config.is_canonical() { visible(canonical(text)) } else { Cow::Borrowed(text) };
        let mut found = Vec::new();
        self.add_families(config, &text, 0, &mut found);
        let words = self.lowered.split_whitespace().map(str::to_owned).collect();
        if config.word_pairs > 0 {
            self.add_pairs(config, &mut found);
        }
        if config.lead_chars > 0 {
            let end = text.char_indices().nth(config.lead_chars).map_or(text.len(), |(offset, _)| offset);
            self.add_families(config, &text[..end], LEAD_FAMILY, &mut found);
        }
        (words, found)
    }

    fn add_families(&mut self, config: &FeatureConfig, text: &str, part: u64, found: &mut Vec<Occurrence>) {
        let key = |hash: u64, bits: u64| (hash & !config.family_bits()) | bits | part;
        self.lowered.clear();
        self.lowered.extend(text.chars().flat_map(char::to_lowercase));
        self.find_words(config);
        if config.word_ngrams[1] > 0 {
            let words = self.words_of(&self.tokens);
            let [low, high] = config.word_ngrams;
            for first in 0..self.tokens.len() {
                self.joined.clear();
                for (nth, (begin, end)) in self.tokens[first..].iter().take(high).enumerate() {
                    if nth > 0 {
                        self.joined.push(' ');
                    }
                    self.joined.push_str(&self.lowered[*begin..*end]);
                    if nth + 1 >= low {
                        let key = key(xxh3_64(self.joined.as_bytes()), 0);
                        let share = 1.0 / (nth + 1) as f32;
                        found.extend(words[first..=first + nth].iter().map(|word| Occurrence { key, word: *word, share }));
                    }
                }
            }
        }
        if config.char_ngrams[1] > 0 {
            let [low, high] = config.char_ngrams;
            for (number, word) in self.lowered.split_whitespace().enumerate() {
                let padded: Vec<char> = [' '].into_iter().chain(word.chars()).chain([' ']).collect();
                for size in low..=high {
                    for first in 0..=padded.len().saturating_sub(size) {
                        let gram: String = padded[first..(first + size).min(padded.len())].iter().collect();
                        let key = key(xxh3_64(gram.as_bytes()), CHAR_FAMILY);
                        found.push(Occurrence { key, word: number as u32, share: 1.0 });
                    }
                    if padded.len() <= size {
                        break;
                    }
                }
            }
        }
    }

    fn add_pairs(&self, config: &FeatureConfig, found: &mut Vec<Occurrence>) {
        let words = self.words_of(&self.word_ranges);
        for (first, word) in self.words.iter().enumerate() {
            for (offset, other) in self.words[first + 1..].iter().take(config.word_pairs).enumerate() {
                let key = (word.wrapping_add(*other) & !config.family_bits()) | PAIR_FAMILY;
                for word in [words[first], words[first + 1 + offset]] {
                    found.push(Occurrence { key, word, share: 0.5 });
                }
            }
        }
    }

    /// The words in which these ranges of the lower-case text begin; the ranges are ascending.
    fn words_of(&self, ranges: &[(usize, usize)]) -> Vec<u32> {
        let start = self.lowered.as_ptr() as usize;
        let mut ends = self.lowered.split_whitespace().map(|word| word.as_ptr() as usize - start + word.len());
        let (mut number, mut end) = (0, ends.next());
        let of_range = |(begin, _): &(usize, usize)| {
            while end.is_some_and(|end| end <= *begin) {
                number += 1;
                end = ends.next();
            }
            number
        };
        ranges.iter().map(of_range).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::features::FEATURES_VERSION;

    fn config(word_pairs: usize, lead_chars: usize) -> FeatureConfig {
        FeatureConfig {
            version: FEATURES_VERSION,
            word_ngrams: [1, 2],
            char_ngrams: [3, 4],
            word_pairs,
            lead_chars,
            sublinear_tf: false,
            min_df: 1,
            max_features: 100,
        }
    }

    #[test]
    fn occurrences_are_those_that_are_counted() {
        for text in [
            "",
            "The fee, a FEE; don't",
            "São Paulo — vigência de 12 meses; ação do açaí",
            "租赁合同 contract 東京",
            "e\u{301}tat İstanbul a\u{200b}b",
        ] {
            for config in [config(0, 0), config(3, 0), config(0, 8)] {
                let (words, found) = NgramCounter::new().occurrences(&config, text);
                let mut sums: BTreeMap<u64, f64> = BTreeMap::new();
                for occurrence in &found {
                    assert!((occurrence.word as usize) < words.len(), "{text}");
                    *sums.entry(occurrence.key).or_default() += f64::from(occurrence.share);
                }
                let counted: BTreeMap<u64, u32> = NgramCounter::new().count(&config, text).into_iter().collect();
                let sums: BTreeMap<u64, u32> = sums.into_iter().map(|(key, sum)| (key, sum.round() as u32)).collect();
                assert_eq!(sums, counted, "{text}");
            }
        }
    }

    #[test]
    fn an_ngram_of_two_words_is_in_both() {
        let (words, found) = NgramCounter::new().occurrences(&FeatureConfig { char_ngrams: [0, 0], ..config(0, 0) }, "New  York, law");
        assert_eq!(words, ["new", "york,", "law"]);
        let of = |word: u32| found.iter().filter(|occurrence| occurrence.word == word).map(|occurrence| occurrence.share).sum::<f32>();
        assert_eq!([of(0), of(1), of(2)], [1.5, 2.0, 1.5]);
    }
}
