//! Accuracy of a k-nearest-neighbour classifier on the vectors of an encoder.

use std::{collections::BTreeMap, path::Path};

use aprendiz_encoder::Encoder;
use aprendiz_evaluation::{Label, knn_accuracy};
use rayon::prelude::*;

use crate::{
    dataset::{Example, Labels, Value, read_batches},
    error::TrainingError,
    kinds::sentence_transformer::pair_metrics::{ENCODE_BATCH, Encode},
};

/// Number of neighbours that vote on the class.
pub const NEIGHBOURS: usize = 5;

/// Results of classifying the documents of one field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct KnnResult {
    /// Labelled documents in the index.
    pub(super) index: u64,
    /// Labelled documents that were classified.
    pub(super) queries: u64,
    /// Fraction of the queries for which the majority class of the nearest neighbours is correct.
    pub(super) accuracy: f64,
    /// Fraction of the queries that have the most frequent class of the index.
    pub(super) majority: f64,
}

/// Documents of a split with their vectors.
pub(super) struct Documents(Vec<(Example, Vec<f32>)>);

/// An evenly spaced sample of at most `max` lines of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    lines: usize,
    max: usize,
}

impl Sample {
    pub(super) fn new(path: &Path, max: usize) -> Result<Self, TrainingError> {
        let mut lines = 0;
        read_batches(path, |batch| {
            lines += batch.len();
            Ok::<_, TrainingError>(())
        })?;
        Ok(Self { lines, max })
    }

    /// Size of the sample.
    pub(super) fn len(self) -> usize {
        self.lines.min(self.max)
    }

    fn contains(self, line: usize) -> bool {
        self.lines <= self.max || (line + 1) * self.max / self.lines > line * self.max / self.lines
    }
}

/// Encodes the sampled documents of a file. Calls `go_on` with the number of encoded documents after each batch; `None` if it returns
/// false.
pub(super) fn encode(
    path: &Path,
    sample: Sample,
    encoder: &Encoder,
    encode: &mut Encode<'_>,
    go_on: &mut dyn FnMut(usize) -> bool,
) -> Result<Option<Documents>, TrainingError> {
    let mut documents = Vec::new();
    let (mut line, mut cancelled) = (0, false);
    read_batches(path, |lines| {
        let mut sampled = Vec::new();
        for document in lines {
            if sample.contains(line) && !cancelled {
                let (example, text) = document.split();
                sampled.push((example, encoder.tokens(&text)));
            }
            line += 1;
        }
        sampled.sort_by_key(|(_, tokens)| tokens.len());
        for batch in sampled.chunks(ENCODE_BATCH) {
            let tokens: Vec<&[u32]> = batch.iter().map(|(_, tokens)| tokens.as_slice()).collect();
            let vectors = encode(&tokens)?;
            documents.extend(batch.iter().map(|(example, _)| example.clone()).zip(vectors));
            if !go_on(batch.len()) {
                cancelled = true;
                break;
            }
        }
        Ok::<_, TrainingError>(())
    })?;
    Ok((!cancelled).then_some(Documents(documents)))
}

/// Classifies the queries by their [`NEIGHBOURS`] nearest documents in the index, field by field. Skips fields without labelled documents
/// in either.
pub(super) fn classify(index: &Documents, queries: &Documents, labels: &Labels) -> BTreeMap<String, KnnResult> {
    let fields: Vec<&String> = labels.fields.keys().collect();
    let classify_field = |field: &&String| {
        let (index, queries) = (index.classes(field, labels), queries.classes(field, labels));
        let accuracy = knn_accuracy(&index, &queries, NEIGHBOURS)?;
        let majority = majority_class(&index);
        let correct = queries.iter().filter(|(_, class)| Some(*class) == majority).count();
        let result = KnnResult {
            index: index.len() as u64,
            queries: queries.len() as u64,
            accuracy,
            majority: correct as f64 / queries.len() as f64,
        };
        Some(((*field).clone(), result))
    };
    fields.par_iter().filter_map(classify_field).collect()
}

impl Documents {
    /// The documents that have a class of the field: vectors and classes.
    fn classes(&self, field: &str, labels: &Labels) -> Vec<(&[f32], &Label)> {
        let learned = &labels.fields[field].labels;
        self.0
            .iter()
            .filter_map(|(example, vector)| match example.values.get(field) {
                Some(Value::Class(class)) if learned.contains(class) => Some((vector.as_slice(), class)),
                _ => None,
            })
            .collect()
    }
}

/// The most frequent class; the first by name in case of a tie.
fn majority_class<'a>(index: &[(&[f32], &'a Label)]) -> Option<&'a Label> {
    let mut counts: BTreeMap<&Label, usize> = BTreeMap::new();
    for (_, class) in index {
        *counts.entry(*class).or_default() += 1;
    }
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map(|(class, _)| class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_spread_over_the_whole_file() {
        let sampled =
            |lines: usize, max: usize| -> Vec<usize> { (0..lines).filter(|line| Sample { lines, max }.contains(*line)).collect() };
        assert_eq!(sampled(3, 5), [0, 1, 2]);
        assert_eq!(sampled(10, 5), [1, 3, 5, 7, 9]);
        assert_eq!(sampled(1000, 7).len(), 7);
    }

    #[test]
    fn a_tie_for_the_majority_class_is_broken_by_name() {
        let label = |class: &str| Some(class.to_owned());
        let (a, b, c) = (label("a"), label("b"), label("c"));
        let index: Vec<(&[f32], &Label)> = [&b, &a, &b, &a, &c].into_iter().map(|class| (&[][..], class)).collect();
        assert_eq!(majority_class(&index), Some(&a));
    }
}
