//! In how many documents each n-gram occurs: the streaming pass that decides what becomes a feature.

use crate::{config::FeatureConfig, ngrams::KeyMap, vectorizer::Vectorizer};

/// Distinct n-grams kept at once (16 bytes each). Beyond it the rarest are forgotten.
const MAX_KEYS: usize = 1 << 24;

/// Document counts of n-gram keys. Its memory is bounded: once more than sixteen million distinct n-grams are held,
/// those seen in the fewest documents are dropped (lossy counting), so only n-grams far below any useful frequency can be
/// undercounted. The result depends on the order of the documents alone.
#[derive(Default)]
pub struct DocumentFrequencies {
    counts: KeyMap<u32>,
    documents: u64,
}

impl DocumentFrequencies {
    /// Counts of no document.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one document by its distinct keys with their counts within it, as [`crate::NgramCounter::count`] gives them.
    pub fn add(&mut self, counts: &[(u64, u32)]) {
        self.add_with_limit(counts, MAX_KEYS);
    }

    fn add_with_limit(&mut self, counts: &[(u64, u32)], limit: usize) {
        self.documents += 1;
        for (key, _) in counts {
            *self.counts.entry(*key).or_default() += 1;
        }
        let mut rarest = 1;
        while self.counts.len() > limit {
            self.counts.retain(|_, count| *count > rarest);
            rarest += 1;
        }
    }

    /// Documents counted.
    #[must_use]
    pub fn documents(&self) -> u64 {
        self.documents
    }

    /// Keeps the n-grams in at least `min_df` documents, at most `max_features` of them: those in most documents, the
    /// smaller key first among equals.
    #[must_use]
    pub fn into_vectorizer(self, config: FeatureConfig) -> Vectorizer {
        let mut kept: Vec<(u64, u32)> = self.counts.into_iter().filter(|(_, count)| *count >= config.min_df).collect();
        if kept.len() > config.max_features {
            let rank = |(key, count): &(u64, u32)| (std::cmp::Reverse(*count), *key);
            kept.select_nth_unstable_by_key(config.max_features, rank);
            kept.truncate(config.max_features);
        }
        kept.sort_unstable_by_key(|(key, _)| *key);
        // smoothed as if one more document held every n-gram: an n-gram in all documents still weighs 1
        let idf = |count: u32| ((1.0 + self.documents as f64) / (1.0 + f64::from(count))).ln() + 1.0;
        let weights = kept.iter().map(|(_, count)| idf(*count) as f32).collect();
        let keys = kept.into_iter().map(|(key, _)| key).collect();
        Vectorizer::new(config, keys, weights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(min_df: u32, max_features: usize) -> FeatureConfig {
        FeatureConfig { word_ngrams: [1, 2], char_ngrams: [2, 5], sublinear_tf: true, min_df, max_features }
    }

    fn frequencies() -> DocumentFrequencies {
        let mut frequencies = DocumentFrequencies::new();
        frequencies.add(&[(1, 9), (2, 1), (3, 1)]);
        frequencies.add(&[(1, 1), (3, 1)]);
        frequencies.add(&[(1, 1), (4, 1)]);
        frequencies
    }

    #[test]
    fn the_most_frequent_are_kept_and_ties_go_to_the_smaller_key() {
        assert_eq!(frequencies().into_vectorizer(config(1, 3)).keys(), [1, 2, 3]);
        assert_eq!(frequencies().into_vectorizer(config(2, 3)).keys(), [1, 3]);
    }

    #[test]
    fn inverse_frequency_is_smoothed_as_scikit_learn_does() {
        let vectorizer = frequencies().into_vectorizer(config(1, 10));
        assert!((vectorizer.idf()[0] - 1.0).abs() < 1e-6);
        assert!((vectorizer.idf()[1] - (4.0_f32 / 2.0).ln() - 1.0).abs() < 1e-6);
    }

    #[test]
    fn beyond_the_limit_the_rarest_are_forgotten() {
        let mut frequencies = DocumentFrequencies::new();
        frequencies.add_with_limit(&[(1, 1), (2, 1)], 3);
        frequencies.add_with_limit(&[(1, 1), (3, 1), (4, 1)], 3);
        assert_eq!(frequencies.into_vectorizer(config(1, 10)).keys(), [1]);
    }
}
