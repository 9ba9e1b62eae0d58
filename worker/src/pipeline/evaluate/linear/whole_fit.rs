//! Publishes the weights of a final fit on all splits in place of those that were measured, with their thresholds.

use std::collections::BTreeMap;
use std::path::Path;

use aprendiz_inference::{CONFIG_FILE, FieldConfig, ThresholdDecision, WEIGHTS_FILE, set_thresholds};

use crate::interruption::Interruption;

/// Moves the weights and the configuration into the model directory. The other files of the directory stay: they are about the measured model.
pub(super) fn publish_whole_fit(whole: &Path, model: &Path, measured: &[FieldConfig]) -> Result<(), Interruption> {
    let decide = |field: &FieldConfig| match field.threshold {
        Some(threshold) => ThresholdDecision::Answer(threshold),
        None => ThresholdDecision::Unreachable,
    };
    let decisions: BTreeMap<String, ThresholdDecision> = measured.iter().map(|field| (field.name.clone(), decide(field))).collect();
    set_thresholds(whole, &decisions)?;
    for file in [CONFIG_FILE, WEIGHTS_FILE] {
        let path = model.join(file);
        std::fs::rename(whole.join(file), &path).map_err(|error| Interruption::scratch(&path, &error))?;
    }
    Ok(())
}
