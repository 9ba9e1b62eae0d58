//! From texts to features in two passes over the training file, so that no text is kept. The second is spared where the counts of all texts
//! are few enough to be kept.

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

/// Most counts that are kept from the first pass for the second, of all texts together (64 MiB).
const MOST_KEPT: usize = 1 << 22;

/// Texts whose counts become rows at a time.
const ROWS_AT_A_TIME: usize = 1024;

/// The train split as features.
pub(crate) struct TrainFeatures {
    pub(crate) vectorizer: Vectorizer,
    pub(crate) examples: Vec<Example>,
    pub(crate) rows: SparseRows,
}

/// Learns the vocabulary from the train split and turns its texts into rows. Most texts say which families are counted: see [`suited`].
/// `share` is how much of the whole run this is, for the progress.
pub(crate) fn fit(path: &Path, config: &FeatureConfig, journal: &mut Journal<'_>, share: f64) -> Result<TrainFeatures, Halt> {
    let started = Instant::now();
    let config = &suited(path, config, journal)?;
    let mut frequencies = DocumentFrequencies::new();
    let mut examples = Vec::new();
    let (mut kept, mut stored) = (Some(Vec::new()), 0);
    read_batches(path, |lines| {
        // documents are counted side by side, but added in file order: the result does not depend on the threads
        let counted = counted(lines, |counter, text| counter.count(config, text));
        for (example, counts) in counted {
            frequencies.add(&counts);
            examples.push(example);
            stored += counts.len();
            if stored > MOST_KEPT {
                kept = None;
            }
            if let Some(kept) = &mut kept {
                kept.push(counts);
            }
        }
        let seen = examples.len();
        journal.reporter.examples(Stage::Features, share * 0.5 * seen as f64 / (seen as f64 + 1.0), seen, started);
        journal.between_solves()
    })?;

    let vectorizer = frequencies.into_vectorizer(config.clone());
    let mut rows = SparseRows::new(vectorizer.len());
    let started = Instant::now();
    if let Some(kept) = kept {
        for counts in kept.chunks(ROWS_AT_A_TIME) {
            let weighed: Vec<_> = counts.par_iter().map(|counts| vectorizer.weigh(counts)).collect();
            weighed.iter().for_each(|row| rows.push(row));
            journal.between_solves()?;
        }
        journal.reporter.examples(Stage::Features, share, rows.len(), started);
        return Ok(TrainFeatures { vectorizer, examples, rows });
    }
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

/// The beginning is counted by itself where most texts are longer, or it would say the same once more; pairs of words where most are not, or
/// nearly all words would come together somewhere.
fn suited(path: &Path, asked: &FeatureConfig, journal: &mut Journal<'_>) -> Result<FeatureConfig, Halt> {
    if asked.lead_chars == 0 {
        return Ok(asked.clone());
    }
    let (mut longer, mut texts) = (0, 0);
    read_batches(path, |lines| {
        texts += lines.len();
        longer += lines.iter().filter(|line| line.text.chars().nth(asked.lead_chars).is_some()).count();
        journal.between_solves()
    })?;
    Ok(if longer * 2 > texts { FeatureConfig { word_pairs: 0, ..asked.clone() } } else { FeatureConfig { lead_chars: 0, ..asked.clone() } })
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
