//! How well classes can be told from nearest neighbours: what an encoder is worth on documents it did not learn from.

use std::{collections::BTreeMap, path::Path};

use encoder::Encoder;
use evaluation::{Label, knn_accuracy};
use rayon::prelude::*;

use crate::{
    dataset::{Example, Labels, Value, read_batches},
    error::TrainingError,
    sentence_transformer::score::{Encode, TEXTS_AT_ONCE},
};

/// Neighbours that are asked for the class.
pub const NEIGHBOURS: usize = 5;

/// How well the classes of one field are told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Told {
    /// Documents whose class is known.
    pub(super) known: u64,
    /// Documents that were asked about.
    pub(super) asked: u64,
    /// Share of them whose class most of the nearest known documents have.
    pub(super) accuracy: f64,
    /// Share of them that have the class which most known documents have.
    pub(super) majority: f64,
}

/// Documents of a split as vectors.
pub(super) struct Documents(Vec<(Example, Vec<f32>)>);

/// Lines of a file, of which at most `most` are taken, evenly from its whole length.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    lines: usize,
    most: usize,
}

impl Sample {
    pub(super) fn of(path: &Path, most: usize) -> Result<Self, TrainingError> {
        let mut lines = 0;
        read_batches(path, |batch| {
            lines += batch.len();
            Ok::<_, TrainingError>(())
        })?;
        Ok(Self { lines, most })
    }

    /// Documents that are taken.
    pub(super) fn len(self) -> usize {
        self.lines.min(self.most)
    }

    fn takes(self, line: usize) -> bool {
        self.lines <= self.most || (line + 1) * self.most / self.lines > line * self.most / self.lines
    }
}

/// Encodes documents of a split; `None` when `go_on`, which is told of each few that are done, broke it off.
pub(super) fn encode(
    path: &Path,
    sample: Sample,
    encoder: &Encoder,
    encode: &mut Encode<'_>,
    go_on: &mut dyn FnMut(usize) -> bool,
) -> Result<Option<Documents>, TrainingError> {
    let mut documents = Vec::new();
    let (mut line, mut broken_off) = (0, false);
    read_batches(path, |lines| {
        let mut taken = Vec::new();
        for document in lines {
            if sample.takes(line) && !broken_off {
                let (example, text) = document.split();
                taken.push((example, encoder.tokens(&text)));
            }
            line += 1;
        }
        taken.sort_by_key(|(_, tokens)| tokens.len());
        for few in taken.chunks(TEXTS_AT_ONCE) {
            let tokens: Vec<&[u32]> = few.iter().map(|(_, tokens)| tokens.as_slice()).collect();
            let vectors = encode(&tokens)?;
            documents.extend(few.iter().map(|(example, _)| example.clone()).zip(vectors));
            if !go_on(few.len()) {
                broken_off = true;
                break;
            }
        }
        Ok::<_, TrainingError>(())
    })?;
    Ok((!broken_off).then_some(Documents(documents)))
}

/// Asks the [`NEIGHBOURS`] nearest known documents for the classes of the others, field by field. Fields that nothing is known or asked
/// about are left out.
pub(super) fn tell(known: &Documents, asked: &Documents, labels: &Labels) -> BTreeMap<String, Told> {
    let fields: Vec<&String> = labels.fields.keys().collect();
    let of_field = |field: &&String| {
        let (known, asked) = (known.classes(field, labels), asked.classes(field, labels));
        let accuracy = knn_accuracy(&known, &asked, NEIGHBOURS)?;
        let majority = majority(&known);
        let right = asked.iter().filter(|(_, class)| Some(*class) == majority).count();
        let told = Told { known: known.len() as u64, asked: asked.len() as u64, accuracy, majority: right as f64 / asked.len() as f64 };
        Some(((*field).clone(), told))
    };
    fields.par_iter().filter_map(of_field).collect()
}

impl Documents {
    /// The vectors of documents that have a class of the field, with the class.
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

/// The class that most have; of equally many the first by name.
fn majority<'a>(known: &[(&[f32], &'a Label)]) -> Option<&'a Label> {
    let mut counts: BTreeMap<&Label, usize> = BTreeMap::new();
    for (_, class) in known {
        *counts.entry(*class).or_default() += 1;
    }
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map(|(class, _)| class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_spread_over_the_whole_file() {
        let taken = |lines: usize, most: usize| -> Vec<usize> { (0..lines).filter(|line| Sample { lines, most }.takes(*line)).collect() };
        assert_eq!(taken(3, 5), [0, 1, 2]);
        assert_eq!(taken(10, 5), [1, 3, 5, 7, 9]);
        assert_eq!(taken(1000, 7).len(), 7);
    }

    #[test]
    fn of_equally_many_classes_the_first_by_name_is_the_majority() {
        let label = |class: &str| Some(class.to_owned());
        let (a, b, c) = (label("a"), label("b"), label("c"));
        let known: Vec<(&[f32], &Label)> = [&b, &a, &b, &a, &c].into_iter().map(|class| (&[][..], class)).collect();
        assert_eq!(majority(&known), Some(&a));
    }
}
