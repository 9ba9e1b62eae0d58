//! How much of the words of each label a chunk contains. A clause that names its label, such as the law that governs a contract, is found
//! without an example of that label.

use std::collections::{BTreeMap, HashSet};

use aprendiz_inference::{NgramCounter, SparseRow, Vectorizer};

/// The words of the labels of a field, with their weights.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelWords {
    /// For each word, the classes whose label has it, with the part of the label's weight that it makes up.
    classes: BTreeMap<u64, Vec<(u32, f32)>>,
}

impl LabelWords {
    /// The words of labels, in the order of the classes. Words weigh by their inverse document frequency; one that is not in the vocabulary
    /// weighs as much as the rarest one that is.
    #[must_use]
    pub fn new<'a>(labels: impl IntoIterator<Item = Option<&'a str>>, vectorizer: &Vectorizer) -> Self {
        let rarest = vectorizer.idf().iter().copied().fold(1.0, f32::max);
        // without the 1 that smoothing adds: a word of every document says nothing about the label
        let weight = |key: u64| vectorizer.idf_of(key).unwrap_or(rarest) - 1.0;
        let mut counter = NgramCounter::new();
        let mut classes: BTreeMap<u64, Vec<(u32, f32)>> = BTreeMap::new();
        for (class, label) in labels.into_iter().enumerate() {
            let keys = keys_of_words(&mut counter, vectorizer, label.unwrap_or_default());
            let total: f32 = keys.iter().map(|key| weight(*key)).sum();
            for key in &keys {
                // if every document has all of the words, where they stand can still tell the label
                let part = if total > 0.0 { weight(*key) / total } else { 1.0 / keys.len() as f32 };
                classes.entry(*key).or_default().push((class as u32, part));
            }
        }
        Self { classes }
    }

    /// Which share of the weight of each label's words is among the keys of n-grams of a chunk, from 0 to 1. Labels without any are left out.
    #[must_use]
    pub fn shares(&self, keys: &[u64]) -> SparseRow {
        let mut shares: BTreeMap<u32, f32> = BTreeMap::new();
        for (class, part) in keys.iter().filter_map(|key| self.classes.get(key)).flatten() {
            *shares.entry(*class).or_default() += part;
        }
        let (indices, values) = shares.into_iter().unzip();
        SparseRow { indices, values }
    }
}

/// The keys of all words of some labels.
pub(crate) fn label_keys<'a>(labels: impl IntoIterator<Item = &'a str>, vectorizer: &Vectorizer) -> HashSet<u64> {
    let mut counter = NgramCounter::new();
    labels.into_iter().flat_map(|label| keys_of_words(&mut counter, vectorizer, label)).collect()
}

/// The keys of the distinct words of a label, ascending.
fn keys_of_words(counter: &mut NgramCounter, vectorizer: &Vectorizer, label: &str) -> Vec<u64> {
    let mut config = vectorizer.config().clone();
    config.word_ngrams = [1, 1];
    counter.count(&config, label).into_iter().map(|(key, _)| key).collect()
}

#[cfg(test)]
mod tests {
    use aprendiz_inference::{DocumentFrequencies, FEATURES_VERSION, FeatureConfig};

    use super::*;

    fn vectorizer(texts: &[&str]) -> Vectorizer {
        let config = FeatureConfig {
            version: FEATURES_VERSION,
            word_ngrams: [1, 2],
            char_ngrams: [0, 0],
            word_pairs: 0,
            lead_chars: 0,
            sublinear_tf: true,
            min_df: 1,
            max_features: 100,
        };
        let (mut frequencies, mut counter) = (DocumentFrequencies::new(), NgramCounter::new());
        texts.iter().for_each(|text| frequencies.add(&counter.count(&config, text)));
        frequencies.into_vectorizer(config)
    }

    #[test]
    fn rare_words_of_a_label_make_up_most_of_its_share() {
        let vectorizer = vectorizer(&["the state of new york", "the state of new jersey", "the law", "the new term"]);
        let words = LabelWords::new([Some("New York"), Some("The State"), None], &vectorizer);
        let shares = |text: &str| {
            let counts = NgramCounter::new().count(vectorizer.config(), text);
            words.shares(&counts.into_iter().map(|(key, _)| key).collect::<Vec<_>>())
        };
        let all = shares("laws of the state of NEW YORK");
        assert_eq!(all.indices, [0, 1]);
        assert!(all.values.iter().all(|share| (share - 1.0).abs() < 1e-6), "{all:?}");
        let part = shares("a new state");
        assert_eq!(part.indices, [0, 1]);
        assert!(part.values[0] < 0.3, "`new` is in most texts: {part:?}");
        assert!((part.values[1] - 1.0).abs() < 1e-6, "`the` is in every text and has no weight: {part:?}");
        assert!(shares("nothing of it").indices.is_empty());
    }

    #[test]
    fn words_that_all_texts_have_weigh_the_same() {
        let vectorizer = vectorizer(&["ohio utah", "utah ohio"]);
        let words = LabelWords::new([Some("Ohio Utah")], &vectorizer);
        let keys: Vec<u64> = label_keys(["utah"], &vectorizer).into_iter().collect();
        assert_eq!(words.shares(&keys).values, [0.5]);
    }

    #[test]
    fn a_word_that_no_text_has_weighs_as_the_rarest_one() {
        let vectorizer = vectorizer(&["law of ohio", "law"]);
        let words = LabelWords::new([Some("Ohio Utah")], &vectorizer);
        let keys = label_keys(["utah"], &vectorizer).into_iter().collect::<Vec<_>>();
        assert_eq!(words.shares(&keys).values, [0.5]);
    }
}
