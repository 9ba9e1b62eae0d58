//! A bounded sample of texts from which pairs are drawn.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::read::Example;
use crate::selection::{PairsRequest, Selection};
use crate::split::Split;

/// Maximum number of texts of one field and split, over all labels. Beyond it, the limit per label is halved.
const MAX_TEXTS: usize = 16_384;

/// Bottom-k sample of the texts of every label: those whose document id has the smallest seeded hash.
///
/// The sample depends on the set of examples only, not on their order.
#[derive(Debug)]
pub(crate) struct Pool {
    request: PairsRequest,
    /// Whether the field with this index in the selection has labels.
    trainable: Vec<bool>,
    samples: BTreeMap<(usize, Split), Sample>,
}

/// Sampled texts of one field and split, by label.
#[derive(Debug)]
pub(crate) struct Sample {
    per_label: usize,
    texts: usize,
    pub(crate) labels: BTreeMap<String, BTreeSet<PooledText>>,
}

/// A sampled text, ordered by its hash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PooledText {
    pub(crate) hash: u64,
    pub(crate) text: Arc<str>,
}

impl Pool {
    pub(crate) fn new(selection: &Selection, request: &PairsRequest) -> Self {
        let untrainable = selection.untrainable_names();
        let trainable = selection.fields.iter().map(|field| !untrainable.contains(field)).collect();
        Self { request: request.clone(), trainable, samples: BTreeMap::new() }
    }

    /// Offers the text of an example to the samples of its labels. "No value" is skipped: documents without a value have nothing in common.
    pub(crate) fn add(&mut self, example: &Example) {
        let hash = xxh3_64_with_seed(example.document_id.as_bytes(), self.request.seed);
        let mut text: Option<Arc<str>> = None;
        for field in &example.fields {
            let [label] = &field.value[..] else { continue };
            if !self.trainable[field.field_index] {
                continue;
            }
            let per_label = usize::try_from(self.request.per_label).unwrap_or(usize::MAX);
            let sample = self.samples.entry((field.field_index, example.split)).or_insert_with(|| Sample {
                per_label,
                texts: 0,
                labels: BTreeMap::new(),
            });
            if sample.accepts(label, hash) {
                let max_chars = usize::try_from(self.request.max_chars).unwrap_or(usize::MAX);
                let text = text.get_or_insert_with(|| prefix(&example.text, max_chars).into());
                sample.add(label, PooledText { hash, text: Arc::clone(text) });
            }
        }
    }

    /// Samples by field index and split.
    pub(crate) const fn samples(&self) -> &BTreeMap<(usize, Split), Sample> {
        &self.samples
    }
}

impl Sample {
    fn accepts(&self, label: &str, hash: u64) -> bool {
        match self.labels.get(label) {
            Some(texts) => texts.len() < self.per_label || texts.last().is_some_and(|last| hash < last.hash),
            None => true,
        }
    }

    fn add(&mut self, label: &str, text: PooledText) {
        let texts = match self.labels.get_mut(label) {
            Some(texts) => texts,
            None => self.labels.entry(label.to_owned()).or_default(),
        };
        self.texts += usize::from(texts.insert(text));
        if texts.len() > self.per_label {
            texts.pop_last();
            self.texts -= 1;
        }
        while self.texts > MAX_TEXTS && self.per_label > 1 {
            self.halve();
        }
        // a field with more labels than the limit has nothing to learn from pairs: drop the labels that sort last
        while self.texts > MAX_TEXTS {
            let removed = self.labels.pop_last().map_or(0, |(_, texts)| texts.len());
            self.texts -= removed;
        }
    }

    fn halve(&mut self) {
        self.per_label /= 2;
        for texts in self.labels.values_mut() {
            while texts.len() > self.per_label {
                texts.pop_last();
                self.texts -= 1;
            }
        }
    }
}

fn prefix(text: &str, max_chars: usize) -> &str {
    text.char_indices().nth(max_chars).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::ReviewedField;
    use crate::read::fixtures::example;

    fn labelled(document: u128, label: &str) -> Example {
        let mut example = example(document, Split::Train, &format!("text {document}"));
        example.fields = vec![ReviewedField { value: vec![label.to_owned()], ..example.fields.remove(0) }];
        example
    }

    fn sampled(examples: impl Iterator<Item = Example>, per_label: u32) -> Vec<(String, Vec<Arc<str>>)> {
        let selection = Selection {
            fields: vec!["law".into()],
            untrainable: vec![],
            documents: None,
            source: None,
            project: None,
            min_support: 2,
            pairs: None,
            position: 0,
        };
        let mut pool = Pool::new(&selection, &PairsRequest { per_label, ..PairsRequest::default() });
        examples.for_each(|example| pool.add(&example));
        let sample = &pool.samples()[&(0, Split::Train)];
        sample.labels.iter().map(|(label, texts)| (label.clone(), texts.iter().map(|text| Arc::clone(&text.text)).collect())).collect()
    }

    #[test]
    fn the_sample_does_not_depend_on_the_order_of_the_examples() {
        let label = |n: u128| if n.is_multiple_of(3) { "a" } else { "b" };
        let forwards = sampled((0..500).map(|n| labelled(n, label(n))), 10);
        let backwards = sampled((0..500).rev().map(|n| labelled(n, label(n))), 10);
        assert_eq!(forwards, backwards);
        assert_eq!(forwards.iter().map(|(_, texts)| texts.len()).collect::<Vec<_>>(), [10, 10]);
    }

    #[test]
    fn many_labels_share_the_limit_in_any_order() {
        let examples = || (0..60_000_u128).map(|n| labelled(n, &format!("label {}", n % 5_000)));
        let forwards = sampled(examples(), 64);
        let backwards = sampled(examples().collect::<Vec<_>>().into_iter().rev(), 64);
        assert_eq!(forwards, backwards);
        assert!(forwards.iter().all(|(_, texts)| texts.len() == 2), "the limit leaves two texts for each of 5,000 labels");
    }

    #[test]
    fn texts_are_truncated_at_character_boundaries() {
        assert_eq!(prefix("äöü", 2), "äö");
        assert_eq!(prefix("äöü", 3), "äöü");
    }
}
