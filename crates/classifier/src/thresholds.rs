//! Thresholds of an unpublished classifier, chosen after training.

use std::{collections::BTreeMap, path::Path};

use aprendiz_inference::{FieldConfig, ThresholdDecision, decide_thresholds, manifest::MANIFEST_FILE};

use crate::{
    auto_config::{AutoConfig, KIND_AUTO},
    config::ClassifierConfig,
    error::ClassifierError,
    field_model::kind_of,
};

/// Writes thresholds to `config.json` of an unpublished model directory, before its manifest is written. Returns the fields.
///
/// # Errors
/// A field is unknown, a threshold is not from 0 to 1, a manifest already exists, or the file cannot be written.
pub fn set_thresholds(dir: &Path, decisions: &BTreeMap<String, ThresholdDecision>) -> Result<Vec<FieldConfig>, ClassifierError> {
    let manifest = dir.join(MANIFEST_FILE);
    if manifest.exists() {
        return Err(ClassifierError::invalid(manifest, "the model is published, its files must not be changed"));
    }
    if kind_of(dir)? == KIND_AUTO {
        let mut config = AutoConfig::read(dir)?;
        decide_thresholds(&mut config.fields, decisions)?;
        config.write(dir)?;
        return Ok(config.fields);
    }
    let mut config = ClassifierConfig::read(dir)?;
    decide_thresholds(&mut config.fields, decisions)?;
    config.write(dir)?;
    Ok(config.fields)
}
