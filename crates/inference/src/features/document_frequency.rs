//! Document frequencies of n-grams, counted in one streaming pass, and the selection of features.

use super::{
    config::FeatureConfig,
    ngrams::{KeyMap, LEAD_FAMILY},
    vectorizer::Vectorizer,
};

/// Maximum number of distinct n-grams in memory (16 bytes each); beyond it, the rarest are dropped.
const MAX_KEYS: usize = 1 << 24;

/// Document frequencies of n-gram keys. Memory is bounded by lossy counting: beyond sixteen million distinct n-grams, the rarest are
/// dropped, so only n-grams far below any useful frequency can be undercounted. The result depends only on the order of the documents.
#[derive(Default)]
pub struct DocumentFrequencies {
    counts: KeyMap<u32>,
    documents: u64,
}

impl DocumentFrequencies {
    /// Empty counts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a document, given its distinct keys with their counts as returned by [`crate::NgramCounter::count`].
    pub fn add(&mut self, counts: &[(u64, u32)]) {
        self.add_with_limit(counts, MAX_KEYS);
    }

    fn add_with_limit(&mut self, counts: &[(u64, u32)], limit: usize) {
        self.documents += 1;
        for (key, _) in counts {
            *self.counts.entry(*key).or_default() += 1;
        }
        let mut min_count = 1;
        while self.counts.len() > limit {
            self.counts.retain(|_, count| *count > min_count);
            min_count += 1;
        }
    }

    /// Number of documents.
    #[must_use]
    pub fn documents(&self) -> u64 {
        self.documents
    }

    /// Selects the n-grams with the highest document frequency: at least `min_df`, and at most `max_features` n-grams. Ties go to the
    /// smaller key. N-grams of the leading characters get up to half of the features, because n-grams of whole texts are more frequent.
    #[must_use]
    pub fn into_vectorizer(self, config: FeatureConfig) -> Vectorizer {
        let is_lead = |key: u64| config.lead_chars > 0 && key & LEAD_FAMILY != 0;
        let frequent = self.counts.into_iter().filter(|(_, count)| *count >= config.min_df);
        let (mut lead, mut kept): (Vec<(u64, u32)>, Vec<_>) = frequent.partition(|(key, _)| is_lead(*key));
        keep_most_frequent(&mut lead, config.max_features / 2);
        keep_most_frequent(&mut kept, config.max_features - lead.len());
        kept.append(&mut lead);
        kept.sort_unstable_by_key(|(key, _)| *key);
        // smoothed as if one more document contained every n-gram, so that an n-gram in all documents has weight 1
        let idf = |count: u32| ((1.0 + self.documents as f64) / (1.0 + f64::from(count))).ln() + 1.0;
        let weights = kept.iter().map(|(_, count)| idf(*count) as f32).collect();
        let keys = kept.into_iter().map(|(key, _)| key).collect();
        Vectorizer::new(config, keys, weights)
    }
}

fn keep_most_frequent(ngrams: &mut Vec<(u64, u32)>, max: usize) {
    if ngrams.len() > max {
        ngrams.select_nth_unstable_by_key(max, |(key, count)| (std::cmp::Reverse(*count), *key));
        ngrams.truncate(max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::FEATURES_VERSION;

    fn config(min_df: u32, max_features: usize) -> FeatureConfig {
        FeatureConfig {
            version: FEATURES_VERSION,
            word_ngrams: [1, 2],
            char_ngrams: [2, 5],
            word_pairs: 0,
            lead_chars: 0,
            sublinear_tf: true,
            min_df,
            max_features,
        }
    }

    fn frequencies() -> DocumentFrequencies {
        let mut frequencies = DocumentFrequencies::new();
        frequencies.add(&[(1, 9), (2, 1), (3, 1)]);
        frequencies.add(&[(1, 1), (3, 1)]);
        frequencies.add(&[(1, 1), (4, 1)]);
        frequencies
    }

    #[test]
    fn most_frequent_ngrams_are_kept_and_ties_go_to_the_smaller_key() {
        assert_eq!(frequencies().into_vectorizer(config(1, 3)).keys(), [1, 2, 3]);
        assert_eq!(frequencies().into_vectorizer(config(2, 3)).keys(), [1, 3]);
    }

    #[test]
    fn ngrams_of_whole_texts_do_not_crowd_out_leading_ngrams() {
        let mut frequencies = DocumentFrequencies::new();
        let lead = |key: u64| key | LEAD_FAMILY;
        frequencies.add(&[(1, 1), (2, 1), (3, 1), (lead(1), 1), (lead(2), 1), (lead(3), 1)]);
        frequencies.add(&[(1, 1), (2, 1), (3, 1), (lead(3), 1)]);
        let config = FeatureConfig { lead_chars: 10, ..config(1, 4) };
        assert_eq!(frequencies.into_vectorizer(config).keys(), [1, 2, lead(1), lead(3)]);
    }

    #[test]
    fn idf_is_smoothed_as_in_scikit_learn() {
        let vectorizer = frequencies().into_vectorizer(config(1, 10));
        assert!((vectorizer.idf()[0] - 1.0).abs() < 1e-6);
        assert!((vectorizer.idf()[1] - (4.0_f32 / 2.0).ln() - 1.0).abs() < 1e-6);
    }

    #[test]
    fn rarest_ngrams_are_dropped_beyond_the_limit() {
        let mut frequencies = DocumentFrequencies::new();
        frequencies.add_with_limit(&[(1, 1), (2, 1)], 3);
        frequencies.add_with_limit(&[(1, 1), (3, 1), (4, 1)], 3);
        assert_eq!(frequencies.into_vectorizer(config(1, 10)).keys(), [1]);
    }
}
