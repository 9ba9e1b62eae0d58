//! Thresholds of an unpublished model, chosen after training.

use std::{collections::BTreeMap, path::Path};

use crate::{
    config::{FieldConfig, ModelConfig, ThresholdStatus},
    error::ModelError,
    manifest::MANIFEST_FILE,
};

/// Result of the threshold selection for a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ThresholdDecision {
    /// Answer at or above this confidence.
    Answer(f64),
    /// No threshold reaches the target accuracy.
    Unreachable,
}

/// Writes thresholds to `config.json` of an unpublished model directory, before its manifest is written.
///
/// Other fields are left unchanged.
///
/// # Errors
/// A field is unknown, a threshold is not from 0 to 1, a manifest already exists, or the file cannot be replaced.
pub fn set_thresholds(dir: &Path, decisions: &BTreeMap<String, ThresholdDecision>) -> Result<ModelConfig, ModelError> {
    let manifest = dir.join(MANIFEST_FILE);
    if manifest.exists() {
        return Err(ModelError::invalid(manifest, "the model is published, its files must not be changed"));
    }
    let mut config = ModelConfig::read(dir)?;
    decide_thresholds(&mut config.fields, decisions)?;
    config.write(dir)?;
    Ok(config)
}

/// Applies decisions to fields of a configuration. Other fields are left unchanged.
///
/// # Errors
/// A field is unknown.
pub fn decide_thresholds(fields: &mut [FieldConfig], decisions: &BTreeMap<String, ThresholdDecision>) -> Result<(), ModelError> {
    for (name, decision) in decisions {
        let Some(field) = fields.iter_mut().find(|field| field.name == *name) else {
            let known = fields.iter().map(|field| field.name.clone()).collect();
            return Err(ModelError::UnknownField { field: name.clone(), known });
        };
        (field.threshold, field.threshold_status) = match decision {
            ThresholdDecision::Answer(threshold) => (Some(*threshold), ThresholdStatus::Ok),
            ThresholdDecision::Unreachable => (None, ThresholdStatus::TargetUnreachable),
        };
    }
    Ok(())
}
