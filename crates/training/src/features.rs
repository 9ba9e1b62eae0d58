//! From texts to features in two passes over the training file, so that no text is kept.

use std::{path::Path, time::Instant};

use inference::{DocumentFrequencies, FeatureConfig, NgramCounter, SparseRows, Vectorizer};
use rayon::prelude::*;

use crate::{
    dataset::{Example, Line, read_batches},
    error::TrainingError,
    halt::Halt,
    journal::Journal,
    progress::Stage,
};

/// The train split as features.
pub(crate) struct TrainFeatures {
    pub(crate) vectorizer: Vectorizer,
    pub(crate) examples: Vec<Example>,
    pub(crate) rows: SparseRows,
}

/// Learns the vocabulary from the train split and turns its texts into rows. Where most texts are no longer than the beginning that is to
/// be counted by itself, none is: it would say the same once more. `share` is how much of the whole run this
/// is, for the progress.
pub(crate) fn fit(path: &Path, config: &FeatureConfig, journal: &mut Journal<'_>, share: f64) -> Result<TrainFeatures, Halt> {
    let started = Instant::now();
    let config = &FeatureConfig { lead_chars: lead_chars(path, config.lead_chars, journal)?, ..config.clone() };
    let mut frequencies = DocumentFrequencies::new();
    let mut examples = Vec::new();
    read_batches(path, |lines| {
        // documents are counted side by side, but added in file order: the result does not depend on the threads
        let counted = counted(lines, |counter, text| counter.count(config, text));
        for (example, counts) in counted {
            frequencies.add(&counts);
            examples.push(example);
        }
        let seen = examples.len();
        journal.reporter.examples(Stage::Features, share * 0.5 * seen as f64 / (seen as f64 + 1.0), seen, started);
        journal.between_solves()
    })?;

    let vectorizer = frequencies.into_vectorizer(config.clone());
    let mut rows = SparseRows::new(vectorizer.len());
    let started = Instant::now();
    read_batches(path, |lines| {
        for (_, row) in counted(lines, |counter, text| vectorizer.vectorize(counter, text)) {
            rows.push(&row);
        }
        let fraction = share * (0.5 + 0.5 * rows.len() as f64 / examples.len().max(1) as f64);
        journal.reporter.examples(Stage::Features, fraction, rows.len(), started);
        journal.between_solves()
    })?;
    if rows.len() != examples.len() {
        let reason = format!("had {} examples when read first and {} when read again", examples.len(), rows.len());
        return Err(TrainingError::BadDataset { path: path.to_owned(), line: None, reason }.into());
    }
    Ok(TrainFeatures { vectorizer, examples, rows })
}

/// `asked`, if most texts are longer than that.
fn lead_chars(path: &Path, asked: usize, journal: &mut Journal<'_>) -> Result<usize, Halt> {
    if asked == 0 {
        return Ok(0);
    }
    let (mut longer, mut texts) = (0, 0);
    read_batches(path, |lines| {
        texts += lines.len();
        longer += lines.iter().filter(|line| line.text.chars().nth(asked).is_some()).count();
        journal.between_solves()
    })?;
    Ok(if longer * 2 > texts { asked } else { 0 })
}

fn counted<T: Send>(lines: Vec<Line>, count: impl Fn(&mut NgramCounter, &str) -> T + Sync) -> Vec<(Example, T)> {
    lines
        .into_par_iter()
        .map_init(NgramCounter::new, |counter, line| {
            let (example, text) = line.split();
            let counted = count(counter, &text);
            (example, counted)
        })
        .collect()
}
