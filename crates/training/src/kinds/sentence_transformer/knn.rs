//! Accuracy of a k-nearest-neighbour classifier on the vectors of an encoder.

use std::{collections::BTreeMap, path::Path};

use aprendiz_encoder::Encoder;
use aprendiz_evaluation::{Label, knn_classify};
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
    /// Groups of near-duplicates among them.
    pub(super) groups: u64,
    /// Fraction of the groups for which the majority class of the nearest neighbours is correct.
    pub(super) accuracy: f64,
    /// Fraction of the groups that have the most frequent class of the index.
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
        let (groups, queries) = (queries.groups(field, labels), queries.classes(field, labels));
        let index = index.classes(field, labels);
        if index.is_empty() || queries.is_empty() {
            return None;
        }
        let vectors: Vec<&[f32]> = queries.iter().map(|(vector, _)| *vector).collect();
        let predicted = knn_classify(&index, &vectors, NEIGHBOURS);
        let correct = predicted.iter().zip(&queries).map(|(predicted, (_, class))| predicted.as_ref() == Some(*class));
        let (accuracy, count) = mean_by_group(groups.iter().copied().zip(correct));
        let majority = majority_class(&index);
        let (majority, _) = mean_by_group(groups.iter().copied().zip(queries.iter().map(|(_, class)| Some(*class) == majority)));
        let result = KnnResult { index: index.len() as u64, queries: queries.len() as u64, groups: count, accuracy, majority };
        Some(((*field).clone(), result))
    };
    fields.par_iter().filter_map(classify_field).collect()
}

impl Documents {
    /// The documents that have a class of the field: vectors and classes.
    fn classes(&self, field: &str, labels: &Labels) -> Vec<(&[f32], &Label)> {
        self.labelled(field, labels).map(|(_, vector, class)| (vector, class)).collect()
    }

    /// The groups of these documents.
    fn groups(&self, field: &str, labels: &Labels) -> Vec<&str> {
        self.labelled(field, labels).map(|(example, ..)| example.group.as_str()).collect()
    }

    fn labelled<'a>(&'a self, field: &str, labels: &Labels) -> impl Iterator<Item = (&'a Example, &'a [f32], &'a Label)> {
        let learned = &labels.fields[field].labels;
        let field = field.to_owned();
        self.0.iter().filter_map(move |(example, vector)| match example.values.get(&field) {
            Some(Value::Class(class)) if learned.contains(class) => Some((example, vector.as_slice(), class)),
            _ => None,
        })
    }
}

/// The mean over groups of the fraction that is true in each, and the number of groups: copies of a document count once.
fn mean_by_group<'a>(values: impl Iterator<Item = (&'a str, bool)>) -> (f64, u64) {
    let mut groups: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for (group, value) in values {
        let (correct, all) = groups.entry(group).or_default();
        *correct += u64::from(value);
        *all += 1;
    }
    let count = groups.len() as u64;
    let sum: f64 = groups.into_values().map(|(correct, all)| correct as f64 / all as f64).sum();
    (sum / count.max(1) as f64, count)
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
    fn copies_of_a_document_count_once() {
        let copied = [("g", true), ("g", true), ("g", true), ("h", false)];
        assert_eq!(mean_by_group(copied.into_iter()), (0.5, 2));
        assert_eq!(mean_by_group([("g", true), ("g", false), ("h", true), ("i", true)].into_iter()), (2.5 / 3.0, 3));
        assert_eq!(mean_by_group(std::iter::empty()), (0.0, 0));
    }

    #[test]
    fn a_tie_for_the_majority_class_is_broken_by_name() {
        let label = |class: &str| Some(class.to_owned());
        let (a, b, c) = (label("a"), label("b"), label("c"));
        let index: Vec<(&[f32], &Label)> = [&b, &a, &b, &a, &c].into_iter().map(|class| (&[][..], class)).collect();
        assert_eq!(majority_class(&index), Some(&a));
    }
}
