//! `config.json` of a model directory.

use std::{fs, path::Path};

use aprendiz_inference::{CONFIG_FILE, FeatureConfig, FieldConfig, TrainingInfo};
use serde::{Deserialize, Serialize};

use crate::{chunk::ChunkSettings, error::ClassifierError};

/// Version of the format.
pub const FORMAT_VERSION: u32 = 2;

/// The kind of these models.
pub const KIND_FIELD_CLASSIFIER: &str = "field-classifier";

/// Content of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierConfig {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// [`KIND_FIELD_CLASSIFIER`].
    pub kind: String,
    /// How texts are split.
    pub chunks: ChunkSettings,
    /// Dimension of the vectors of the encoder.
    pub vector_size: usize,
    /// How words of chunks are counted; absent if the heads read vectors only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<FeatureConfig>,
    /// Hash of the base model that the encoder in the directory is or was trained from.
    pub base_model: String,
    /// Fields, sorted by name.
    pub fields: Vec<FieldConfig>,
    /// Target accuracy of the thresholds.
    pub target_accuracy: f64,
    /// Random seed of the run.
    pub seed: u64,
    /// Provenance of the model.
    pub training: TrainingInfo,
}

impl ClassifierConfig {
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
        if self.kind != KIND_FIELD_CLASSIFIER {
            return Err(format!("unsupported kind `{}`, expected `{KIND_FIELD_CLASSIFIER}`", self.kind));
        }
        if self.format_version != FORMAT_VERSION {
            return Err(format!("unsupported format version {}, expected {FORMAT_VERSION}", self.format_version));
        }
        let ChunkSettings { tokens, overlap, max_chunks } = self.chunks;
        if tokens < 8 || overlap * 2 > tokens || max_chunks == 0 {
            return Err(format!("chunks of {tokens} tokens with an overlap of {overlap}, at most {max_chunks}, are not possible"));
        }
        if let Some(words) = &self.words {
            words.check()?;
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
