//! `config.json` of a model directory: the model configuration without tensors.

use std::{fs, path::Path};

use serde::{Deserialize, Serialize};

use crate::{error::ModelError, features::FeatureConfig, files::replace_file};

/// Name of the file in a model directory.
pub const CONFIG_FILE: &str = "config.json";

/// Version of the format that is written. Version 1, which has no version of the features, is read, too.
pub const FORMAT_VERSION: u32 = 2;

/// The model kind of this crate.
pub const KIND_LINEAR: &str = "linear";

/// Maximum size of a configuration in bytes. Far more than a hundred fields with thousands of labels need.
const MAX_CONFIG_BYTES: u64 = 64 << 20;

/// Status of a field's confidence threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdStatus {
    /// The threshold reaches the target accuracy.
    Ok,
    /// No threshold reaches the target accuracy: nothing is answered.
    TargetUnreachable,
    /// No threshold was chosen yet: nothing is answered.
    NotCalibrated,
}

/// A field and its classification head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldConfig {
    /// Field name.
    pub name: String,
    /// Classes in the order of the head's columns: sorted, with `null` (`∅`) last.
    pub labels: Vec<Option<String>>,
    /// Number of training examples per class, in the order of `labels`.
    pub train_counts: Vec<u64>,
    /// Labels of the dataset without training examples, which are never predicted.
    pub unlearnable: Vec<Option<String>>,
    /// L2 regularization strength used in training.
    pub l2: f64,
    /// Minimum confidence of an answer; `null` unless the status is `ok`.
    pub threshold: Option<f64>,
    /// Status of the threshold.
    pub threshold_status: ThresholdStatus,
}

impl FieldConfig {
    /// The majority class of the train split (the first one in a tie), as predicted by the majority baseline.
    #[must_use]
    pub fn majority(&self) -> Option<&Option<String>> {
        let max = self.train_counts.iter().max()?;
        self.labels.get(self.train_counts.iter().position(|count| count == max)?)
    }
}

/// Provenance of a model. Informational only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingInfo {
    /// Number of documents in the train split.
    pub train_documents: u64,
    /// Number of documents in the validation split.
    pub validation_documents: u64,
    /// Compute backend.
    pub backend: String,
    /// CPU kernel, which determines the last bits of the results.
    pub cpu_kernel: String,
    /// Version of the training code.
    pub version: String,
    /// Parameters as requested.
    pub params: serde_json::Value,
}

/// Content of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// [`KIND_LINEAR`].
    pub kind: String,
    /// Feature extraction settings.
    pub features: FeatureConfig,
    /// Number of features.
    pub feature_count: usize,
    /// Fields, sorted by name.
    pub fields: Vec<FieldConfig>,
    /// Target accuracy of the thresholds.
    pub target_accuracy: f64,
    /// Random seed of the run.
    pub seed: u64,
    /// Provenance of the model.
    pub training: TrainingInfo,
}

impl ModelConfig {
    /// Reads and validates the configuration of a model directory.
    ///
    /// # Errors
    /// The file is missing, malformed, inconsistent, or of another version or kind.
    pub fn read(dir: &Path) -> Result<Self, ModelError> {
        let path = dir.join(CONFIG_FILE);
        let bytes = fs::metadata(&path).map_err(ModelError::io(&path))?.len();
        if bytes > MAX_CONFIG_BYTES {
            return Err(ModelError::invalid(path, format!("file size {bytes} exceeds the maximum of {MAX_CONFIG_BYTES} bytes")));
        }
        let text = fs::read_to_string(&path).map_err(ModelError::io(&path))?;
        Self::parse(&text).map_err(|reason| ModelError::invalid(path, reason))
    }

    fn parse(text: &str) -> Result<Self, String> {
        // the version is checked first, so that a newer file is not reported as having an unknown key
        let value: serde_json::Value = serde_json::from_str(text).map_err(|error| format!("invalid JSON: {error}"))?;
        match value.get("format_version").and_then(serde_json::Value::as_u64) {
            Some(version) if (1..=u64::from(FORMAT_VERSION)).contains(&version) => {}
            Some(version) => return Err(format!("unsupported format version {version}, expected at most {FORMAT_VERSION}")),
            None => return Err("missing format_version".to_owned()),
        }
        let config: Self = serde_json::from_value(value).map_err(|error| error.to_string())?;
        config.check()?;
        Ok(config)
    }

    /// Validates the configuration and writes it atomically.
    ///
    /// # Errors
    /// The configuration is inconsistent, or the file cannot be written.
    pub fn write(&self, dir: &Path) -> Result<(), ModelError> {
        let path = dir.join(CONFIG_FILE);
        self.check().map_err(|reason| ModelError::invalid(&path, reason))?;
        let mut text =
            serde_json::to_string_pretty(self).map_err(|error| ModelError::invalid(&path, format!("cannot serialize to JSON: {error}")))?;
        text.push('\n');
        replace_file(&path, text.as_bytes())
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        if self.kind != KIND_LINEAR {
            return Err(format!("unsupported kind `{}`, expected `{KIND_LINEAR}`", self.kind));
        }
        self.features.check()?;
        if self.format_version == 1 && self.features.version > 1 {
            return Err(format!("format version 1 with version {} of the features", self.features.version));
        }
        if self.fields.is_empty() {
            return Err("no fields".to_owned());
        }
        if !self.fields.windows(2).all(|pair| pair[0].name < pair[1].name) {
            return Err("fields are not sorted by name, or a name is duplicated".to_owned());
        }
        self.fields.iter().try_for_each(FieldConfig::check)
    }
}

impl FieldConfig {
    /// Checks that classes, counts and threshold fit each other.
    ///
    /// # Errors
    /// Names the field and what does not fit.
    pub fn check(&self) -> Result<(), String> {
        let name = &self.name;
        if self.labels.len() < 2 {
            return Err(format!("field `{name}` has fewer than two labels"));
        }
        if self.train_counts.len() != self.labels.len() {
            return Err(format!("field `{name}` has {} labels but {} train_counts", self.labels.len(), self.train_counts.len()));
        }
        // sorts `∅` last
        let key = |label: &Option<String>| (label.is_none(), label.clone());
        if !self.labels.windows(2).all(|pair| key(&pair[0]) < key(&pair[1])) {
            return Err(format!("labels of field `{name}` are not sorted with null last, or a label is duplicated"));
        }
        match (self.threshold_status, self.threshold) {
            (ThresholdStatus::Ok, Some(threshold)) if (0.0..=1.0).contains(&threshold) => Ok(()),
            (ThresholdStatus::Ok, _) => Err(format!("field `{name}` has status ok without a threshold from 0 to 1")),
            (_, None) => Ok(()),
            (_, Some(_)) => Err(format!("field `{name}` has a threshold although its status is not ok")),
        }
    }
}
