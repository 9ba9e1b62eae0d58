//! Thresholds of an unpublished classifier, chosen after training.

use std::{collections::BTreeMap, path::Path};

use aprendiz_inference::{ThresholdDecision, decide_thresholds, manifest::MANIFEST_FILE};

use crate::{config::ClassifierConfig, error::ClassifierError};

/// Writes thresholds to `config.json` of an unpublished model directory, before its manifest is written.
///
/// # Errors
/// A field is unknown, a threshold is not from 0 to 1, a manifest already exists, or the file cannot be written.
pub fn set_thresholds(dir: &Path, decisions: &BTreeMap<String, ThresholdDecision>) -> Result<ClassifierConfig, ClassifierError> {
    let manifest = dir.join(MANIFEST_FILE);
    if manifest.exists() {
        return Err(ClassifierError::invalid(manifest, "the model is published, its files must not be changed"));
    }
    let mut config = ClassifierConfig::read(dir)?;
    decide_thresholds(&mut config.fields, decisions)?;
    config.write(dir)?;
    Ok(config)
}
