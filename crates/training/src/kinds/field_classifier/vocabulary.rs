//! The n-grams that heads of long texts read.

use std::path::Path;

use aprendiz_inference::{DocumentFrequencies, FEATURES_VERSION, FeatureConfig, NgramCounter, Vectorizer};
use rayon::prelude::*;

use crate::{checkpoint::training_state::TrainingState, dataset::read_batches, interrupt::Interrupt};

/// Maximum number of n-grams. Each has a weight per class, so that more of them cost time and size of the model.
const MAX_NGRAMS: usize = 20_000;

/// The words and pairs of words of a training file with the highest document frequency.
pub(super) fn learn(path: &Path, training_state: &mut TrainingState<'_>) -> Result<Vectorizer, Interrupt> {
    let config = FeatureConfig {
        version: FEATURES_VERSION,
        word_ngrams: [1, 2],
        char_ngrams: [0, 0],
        word_pairs: 0,
        lead_chars: 0,
        sublinear_tf: true,
        min_df: 2,
        max_features: MAX_NGRAMS,
    };
    let mut frequencies = DocumentFrequencies::new();
    read_batches(path, |lines| {
        let counted: Vec<_> =
            lines.into_par_iter().map_init(NgramCounter::new, |counter, line| counter.count(&config, &line.text)).collect();
        counted.iter().for_each(|counts| frequencies.add(counts));
        training_state.check_stop()
    })?;
    Ok(frequencies.into_vectorizer(config))
}
