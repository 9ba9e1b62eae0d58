//! TF-IDF vectorizer.

use std::fmt;

use super::{
    config::FeatureConfig,
    ngrams::{KeyMap, NgramCounter},
    sparse::SparseRow,
};

/// Number of feature families: words, word pairs and characters of the text, words and characters of its beginning.
const MAX_FAMILIES: usize = 5;

/// TF-IDF over a fixed vocabulary. Each feature family is L2-normalized separately before the whole row is, so that no family dominates,
/// whatever the length of the text.
pub struct Vectorizer {
    config: FeatureConfig,
    keys: Vec<u64>,
    idf: Vec<f32>,
    indices: KeyMap<u32>,
}

impl Vectorizer {
    /// A vectorizer over ascending `keys` with their inverse document frequencies.
    #[must_use]
    pub fn new(config: FeatureConfig, keys: Vec<u64>, idf: Vec<f32>) -> Self {
        debug_assert_eq!(keys.len(), idf.len());
        let indices = keys.iter().enumerate().map(|(index, key)| (*key, index as u32)).collect();
        Self { config, keys, idf, indices }
    }

    /// Feature extraction settings.
    #[must_use]
    pub fn config(&self) -> &FeatureConfig {
        &self.config
    }

    /// Feature keys in ascending order, and therefore grouped by family: words before characters.
    #[must_use]
    pub fn keys(&self) -> &[u64] {
        &self.keys
    }

    /// Inverse document frequency of each feature.
    #[must_use]
    pub fn idf(&self) -> &[f32] {
        &self.idf
    }

    /// Number of features.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether the vocabulary is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Index of the feature with this key.
    pub(crate) fn index_of(&self, key: u64) -> Option<u32> {
        self.indices.get(&key).copied()
    }

    /// Inverse document frequency of the feature with this key; `None` if the vocabulary does not have it.
    #[must_use]
    pub fn idf_of(&self, key: u64) -> Option<f32> {
        self.index_of(key).map(|index| self.idf[index as usize])
    }

    /// Computes the feature vector of a text. The counter provides reusable buffers.
    #[must_use]
    pub fn vectorize(&self, counter: &mut NgramCounter, text: &str) -> SparseRow {
        self.weigh(&counter.count(&self.config, text))
    }

    /// Computes the feature vector of n-gram counts, which must be sorted by key.
    #[must_use]
    pub fn weigh(&self, counts: &[(u64, u32)]) -> SparseRow {
        let mut row = SparseRow::default();
        let bits = self.config.family_bits();
        // start of each family within the row
        let (mut starts, mut families, mut last_family) = ([0; MAX_FAMILIES], 0, None);
        for (key, count) in counts {
            let Some(index) = self.indices.get(key) else { continue };
            if last_family.replace(key & bits) != Some(key & bits) {
                starts[families] = row.indices.len();
                families += 1;
            }
            let count = f64::from(*count);
            let frequency = if self.config.sublinear_tf { 1.0 + count.ln() } else { count };
            row.indices.push(*index);
            row.values.push((frequency * f64::from(self.idf[*index as usize])) as f32);
        }
        let mut rest = &mut row.values[..];
        for start in starts[..families].iter().rev() {
            let (before, family) = rest.split_at_mut(*start);
            rest = before;
            let square: f64 = family.iter().map(|value| f64::from(*value) * f64::from(*value)).sum();
            let scale = 1.0 / (square * families as f64).sqrt();
            for value in family {
                *value = (f64::from(*value) * scale) as f32;
            }
        }
        row
    }
}

impl fmt::Debug for Vectorizer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // the vocabulary consists of hashes and is not informative
        formatter.debug_struct("Vectorizer").field("config", &self.config).field("features", &self.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::{
        FEATURES_VERSION,
        document_frequency::DocumentFrequencies,
        ngrams::{CHAR_FAMILY, LEAD_FAMILY},
    };

    fn fitted(texts: &[&str], sublinear_tf: bool) -> Vectorizer {
        with_lead(texts, sublinear_tf, 0)
    }

    fn with_lead(texts: &[&str], sublinear_tf: bool, lead_chars: usize) -> Vectorizer {
        let config = FeatureConfig {
            version: FEATURES_VERSION,
            word_ngrams: [1, 1],
            char_ngrams: [2, 3],
            word_pairs: 0,
            lead_chars,
            sublinear_tf,
            min_df: 1,
            max_features: 1000,
        };
        let mut frequencies = DocumentFrequencies::new();
        let mut counter = NgramCounter::new();
        for text in texts {
            frequencies.add(&counter.count(&config, text));
        }
        frequencies.into_vectorizer(config)
    }

    fn square(values: &[f32]) -> f32 {
        values.iter().map(|value| value * value).sum()
    }

    #[test]
    fn families_are_normalized_equally_in_a_row_of_norm_one() {
        let vectorizer = fitted(&["the fee is due", "the term ends"], true);
        let row = vectorizer.vectorize(&mut NgramCounter::new(), "the term of the fee");
        let words = row.indices.iter().filter(|index| vectorizer.keys()[**index as usize] & CHAR_FAMILY == 0).count();
        assert_eq!(words, 3);
        assert!((square(&row.values[..words]) - 0.5).abs() < 1e-6);
        assert!((square(&row.values) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn leading_characters_have_the_same_weight_as_the_text() {
        let vectorizer = with_lead(&["the fee is due", "the term ends"], true, 7);
        let row = vectorizer.vectorize(&mut NgramCounter::new(), "the fee of the term");
        let family = |bits: u64| -> Vec<f32> {
            let is_in_family = |index: &u32| vectorizer.keys()[*index as usize] & (CHAR_FAMILY | LEAD_FAMILY) == bits;
            row.indices.iter().zip(&row.values).filter(|(index, _)| is_in_family(index)).map(|(_, value)| *value).collect()
        };
        assert_eq!((family(0).len(), family(LEAD_FAMILY).len()), (3, 2));
        for bits in [0, CHAR_FAMILY, LEAD_FAMILY, CHAR_FAMILY | LEAD_FAMILY] {
            assert!((square(&family(bits)) - 0.25).abs() < 1e-6, "family {bits:x}");
        }
    }

    #[test]
    fn values_are_term_frequency_times_idf() {
        let vectorizer = fitted(&["fee fee term", "fee"], false);
        let row = vectorizer.vectorize(&mut NgramCounter::new(), "fee fee term");
        // among the words: 2 * 1 versus 1 * (ln(3/2) + 1)
        let mut words: Vec<f32> = row.values[..2].to_vec();
        words.sort_by(f32::total_cmp);
        assert!((words[1] / words[0] - 2.0 / (1.5_f32.ln() + 1.0)).abs() < 1e-5);
    }

    #[test]
    fn texts_without_known_ngrams_are_empty_rows() {
        let vectorizer = fitted(&["fee"], true);
        assert_eq!(vectorizer.vectorize(&mut NgramCounter::new(), "xyz 123"), SparseRow::default());
    }
}
