//! Feature extraction in two passes over the training file, so that no text stays in memory.
//!
//! The second pass is skipped if the n-gram counts of all texts fit in memory.

use std::{path::Path, time::Instant};

use aprendiz_inference::{DocumentFrequencies, FeatureConfig, NgramCounter, SparseRows, Vectorizer};
use rayon::prelude::*;

use crate::{
    checkpoint::training_state::TrainingState,
    dataset::{Example, Line, read_batches},
    error::TrainingError,
    interrupt::Interrupt,
    kinds::linear::progress::Span,
    protocol::progress::Stage,
};

/// Maximum number of counts of all texts that are kept from the first pass (64 MiB).
const MAX_KEPT_COUNTS: usize = 1 << 22;

/// Texts that are turned into rows in one batch.
const ROWS_PER_BATCH: usize = 1024;

/// The train split as features.
pub(crate) struct TrainFeatures {
    pub(crate) vectorizer: Vectorizer,
    pub(crate) examples: Vec<Example>,
    pub(crate) rows: SparseRows,
}

/// Learns the vocabulary from a training file and turns its texts into rows. The feature families are those of the configuration, see
/// [`adapt_config`]. Progress is reported as `stage`.
pub(crate) fn fit(
    path: &Path,
    config: &FeatureConfig,
    stage: Stage,
    span: Span,
    training_state: &mut TrainingState<'_>,
) -> Result<TrainFeatures, Interrupt> {
    let started = Instant::now();
    let mut frequencies = DocumentFrequencies::new();
    let mut examples = Vec::new();
    let (mut kept_counts, mut stored) = (Some(Vec::new()), 0);
    read_batches(path, |lines| {
        // documents are counted in parallel but added in file order, so the result does not depend on the number of threads
        let counted = count_examples(lines, |counter, text| counter.count(config, text));
        for (example, counts) in counted {
            frequencies.add(&counts);
            examples.push(example);
            stored += counts.len();
            if stored > MAX_KEPT_COUNTS {
                kept_counts = None;
            }
            if let Some(kept_counts) = &mut kept_counts {
                kept_counts.push(counts);
            }
        }
        let seen = examples.len();
        training_state.reporter.examples(stage, span.at(0.5 * seen as f64 / (seen as f64 + 1.0)), seen, started);
        training_state.check_stop()
    })?;

    let vectorizer = frequencies.into_vectorizer(config.clone());
    let mut rows = SparseRows::new(vectorizer.len());
    let started = Instant::now();
    if let Some(kept_counts) = kept_counts {
        for counts in kept_counts.chunks(ROWS_PER_BATCH) {
            let weighed: Vec<_> = counts.par_iter().map(|counts| vectorizer.weigh(counts)).collect();
            weighed.iter().for_each(|row| rows.push(row));
            training_state.check_stop()?;
        }
        training_state.reporter.examples(stage, span.at(1.0), rows.len(), started);
        return Ok(TrainFeatures { vectorizer, examples, rows });
    }
    read_batches(path, |lines| {
        for (_, row) in count_examples(lines, |counter, text| vectorizer.vectorize(counter, text)) {
            rows.push(&row);
        }
        let share = 0.5 + 0.5 * rows.len() as f64 / examples.len().max(1) as f64;
        training_state.reporter.examples(stage, span.at(share), rows.len(), started);
        training_state.check_stop()
    })?;
    if rows.len() != examples.len() {
        let reason =
            format!("the file changed while it was read: {} examples in the first pass, {} in the second", examples.len(), rows.len());
        return Err(TrainingError::BadDataset { path: path.to_owned(), line: None, reason }.into());
    }
    Ok(TrainFeatures { vectorizer, examples, rows })
}

/// Selects the feature families that suit the length of the texts. Separate features for the beginning of a text are useless if most texts
/// are no longer than that. Word pairs are useless in long texts, where nearly all words occur together somewhere.
pub(crate) fn adapt_config(
    path: &Path,
    requested: &FeatureConfig,
    training_state: &mut TrainingState<'_>,
) -> Result<FeatureConfig, Interrupt> {
    if requested.lead_chars == 0 {
        return Ok(requested.clone());
    }
    let (mut longer, mut texts) = (0, 0);
    read_batches(path, |lines| {
        texts += lines.len();
        longer += lines.iter().filter(|line| line.text.chars().nth(requested.lead_chars).is_some()).count();
        training_state.check_stop()
    })?;
    Ok(if longer * 2 > texts {
        FeatureConfig { word_pairs: 0, ..requested.clone() }
    } else {
        FeatureConfig { lead_chars: 0, ..requested.clone() }
    })
}

fn count_examples<T: Send>(lines: Vec<Line>, count: impl Fn(&mut NgramCounter, &str) -> T + Sync) -> Vec<(Example, T)> {
    lines
        .into_par_iter()
        .map_init(NgramCounter::new, |counter, line| {
            let (example, text) = line.split();
            let counted = count(counter, &text);
            (example, counted)
        })
        .collect()
}
