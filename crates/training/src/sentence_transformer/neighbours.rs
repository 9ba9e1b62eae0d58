//! How well classes can be told from nearest neighbours: what an encoder is worth on documents it did not learn from.

use std::path::Path;

use encoder::Encoder;
use evaluation::{Label, knn_accuracy};
use rayon::ThreadPoolBuilder;
use serde::{Deserialize, Serialize};

use crate::{
    backend::Backend,
    dataset::{Example, Labels, Value, read_batches},
    error::TrainingError,
    sentence_transformer::score::TEXTS_AT_ONCE,
};

/// Neighbours that are asked for the class.
pub const NEIGHBOURS: usize = 5;

/// How well the classes of one field are told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldNeighbours {
    /// The field.
    pub field: String,
    /// Documents whose class is known.
    pub known: u64,
    /// Documents that were asked about.
    pub asked: u64,
    /// Share of them whose class most of the nearest known documents have.
    pub accuracy: f64,
}

/// Asks the [`NEIGHBOURS`] nearest of the first `most_known` documents of `known` for the classes of those of `asked`, field by field.
/// Both are files of documents as a snapshot has them; the texts are kept only as vectors.
///
/// # Errors
/// As for training: a file that cannot be read, a model that cannot be used.
pub fn field_neighbours(
    model: &Path,
    known: &Path,
    asked: &Path,
    labels: &Path,
    most_known: usize,
    backend: Backend,
    threads: usize,
) -> Result<Vec<FieldNeighbours>, TrainingError> {
    let pool = ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| TrainingError::Backend { backend: "rayon", reason: error.to_string() })?;
    pool.install(|| {
        let device = backend.device()?;
        let encoder = Encoder::load(model, &device)?;
        let labels = Labels::read(labels)?;
        let vectors = |path: &Path, most: usize| -> Result<Vec<(Example, Vec<f32>)>, TrainingError> {
            let mut documents = Vec::new();
            read_batches(path, |mut lines| {
                lines.truncate(most - documents.len());
                let (examples, texts): (Vec<Example>, Vec<String>) = lines.into_iter().map(|line| line.split()).unzip();
                documents.extend(examples.into_iter().zip(encoder.encode(&texts, TEXTS_AT_ONCE, &device)?));
                Ok::<_, TrainingError>(())
            })?;
            Ok(documents)
        };
        let (known, asked) = (vectors(known, most_known)?, vectors(asked, usize::MAX)?);
        let of_field = |field: &String| {
            let learned = &labels.fields[field].labels;
            let classes = |documents: &'_ [(Example, Vec<f32>)]| -> Vec<(usize, Label)> {
                let class = |(place, (example, _)): (usize, &(Example, Vec<f32>))| match example.values.get(field) {
                    Some(Value::Class(class)) if learned.contains(class) => Some((place, class.clone())),
                    _ => None,
                };
                documents.iter().enumerate().filter_map(class).collect()
            };
            let (known_classes, asked_classes) = (classes(&known), classes(&asked));
            let known: Vec<(&[f32], &Label)> = known_classes.iter().map(|(place, class)| (known[*place].1.as_slice(), class)).collect();
            let asked: Vec<(&[f32], &Label)> = asked_classes.iter().map(|(place, class)| (asked[*place].1.as_slice(), class)).collect();
            let accuracy = knn_accuracy(&known, &asked, NEIGHBOURS)?;
            Some(FieldNeighbours { field: field.clone(), known: known.len() as u64, asked: asked.len() as u64, accuracy })
        };
        Ok(labels.fields.keys().filter_map(of_field).collect())
    })
}
