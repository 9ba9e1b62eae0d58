//! `config.json` of a model whose fields have different kinds.

use std::{fs, path::Path};

use aprendiz_inference::{CONFIG_FILE, FieldConfig, TrainingInfo};
use serde::{Deserialize, Serialize};

use crate::error::ClassifierError;

/// Version of the format.
pub const AUTO_FORMAT_VERSION: u32 = 1;

/// The kind of these models.
pub const KIND_AUTO: &str = "auto";

/// What predicts a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChosenKind {
    /// The linear model.
    Linear,
    /// The field classifier.
    FieldClassifier,
    /// Both: a weighted mean of their log-probabilities.
    Combination,
}

impl ChosenKind {
    /// All of them, the cheapest first.
    pub const ALL: [Self; 3] = [Self::Linear, Self::FieldClassifier, Self::Combination];

    /// The name, as in the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::FieldClassifier => "field-classifier",
            Self::Combination => "combination",
        }
    }
}

/// How the parts of a combination are weighed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mixture {
    /// Weight of the log-probabilities of the field classifier, from 0 to 1; those of the linear model have the rest.
    pub weight: f64,
    /// The factor of the softmax.
    pub inverse_temperature: f64,
}

/// Smallest probability of which a logarithm is taken.
const MIN_PROBABILITY: f64 = 1e-9;

impl Mixture {
    /// Logits of a class from its probabilities, before the factor of the softmax.
    #[must_use]
    pub fn score(weight: f64, linear: f64, classifier: f64) -> f64 {
        (1.0 - weight) * linear.max(MIN_PROBABILITY).ln() + weight * classifier.max(MIN_PROBABILITY).ln()
    }

    /// Logits of a class from its probabilities.
    #[must_use]
    pub fn logit(&self, linear: f64, classifier: f64) -> f64 {
        self.inverse_temperature * Self::score(self.weight, linear, classifier)
    }
}

/// What was chosen for a field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldChoice {
    /// The field.
    pub field: String,
    /// What predicts it.
    pub chosen: ChosenKind,
    /// Present if it is a combination.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mixture: Option<Mixture>,
}

/// Content of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AutoConfig {
    /// [`AUTO_FORMAT_VERSION`].
    pub format_version: u32,
    /// [`KIND_AUTO`].
    pub kind: String,
    /// Fields, sorted by name.
    pub fields: Vec<FieldConfig>,
    /// What predicts each field, in the same order.
    pub choices: Vec<FieldChoice>,
    /// Target accuracy of the thresholds.
    pub target_accuracy: f64,
    /// Random seed of the run.
    pub seed: u64,
    /// Provenance of the model.
    pub training: TrainingInfo,
}

impl AutoConfig {
    /// Reads and checks the configuration of a model directory.
    ///
    /// # Errors
    /// The file is missing, malformed, inconsistent, or of another version or kind.
    pub fn read(dir: &Path) -> Result<Self, ClassifierError> {
        let path = dir.join(CONFIG_FILE);
        let text = fs::read_to_string(&path).map_err(ClassifierError::io(&path))?;
        let config: Self = serde_json::from_str(&text).map_err(|error| ClassifierError::invalid(&path, error.to_string()))?;
        config.check().map_err(|reason| ClassifierError::invalid(&path, reason))?;
        Ok(config)
    }

    /// Checks the configuration and writes it.
    ///
    /// # Errors
    /// The configuration is inconsistent, or the file cannot be written.
    pub fn write(&self, dir: &Path) -> Result<(), ClassifierError> {
        let path = dir.join(CONFIG_FILE);
        self.check().map_err(|reason| ClassifierError::invalid(&path, reason))?;
        let text = serde_json::to_string_pretty(self).map_err(|error| ClassifierError::invalid(&path, error.to_string()))?;
        fs::write(&path, format!("{text}\n")).map_err(ClassifierError::io(&path))
    }

    fn check(&self) -> Result<(), String> {
        if self.kind != KIND_AUTO {
            return Err(format!("unsupported kind `{}`, expected `{KIND_AUTO}`", self.kind));
        }
        if self.format_version != AUTO_FORMAT_VERSION {
            return Err(format!("unsupported format version {}, expected {AUTO_FORMAT_VERSION}", self.format_version));
        }
        if !self.fields.iter().map(|field| &field.name).eq(self.choices.iter().map(|choice| &choice.field)) {
            return Err("fields and choices differ".to_owned());
        }
        for choice in &self.choices {
            let is_valid = |mixture: &Mixture| (0.0..=1.0).contains(&mixture.weight) && mixture.inverse_temperature.is_finite();
            if (choice.chosen == ChosenKind::Combination) != choice.mixture.is_some() || !choice.mixture.iter().all(is_valid) {
                return Err(format!("the choice of field `{}` has no valid mixture", choice.field));
            }
        }
        self.fields.iter().try_for_each(FieldConfig::check)
    }
}
