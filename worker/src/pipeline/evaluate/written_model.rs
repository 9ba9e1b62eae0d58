//! A model directory with an encoder: a field classifier alone, or together with a linear model.

use std::path::Path;

use aprendiz_classifier::{CLASSIFIER_FOLDER, ClassifierConfig, KIND_AUTO};
use aprendiz_inference::{CONFIG_FILE, FieldConfig, PublishedFields};

use crate::interruption::Interruption;

/// What the directory has.
pub(crate) struct WrittenModel {
    /// The kind of the model.
    pub(crate) kind: String,
    /// Its fields.
    pub(crate) fields: Vec<FieldConfig>,
    /// The configuration of the field classifier.
    pub(crate) classifier: ClassifierConfig,
}

impl WrittenModel {
    /// Reads the configurations in a directory.
    pub(crate) fn read(dir: &Path) -> Result<Self, Interruption> {
        let PublishedFields { kind, fields, .. } = published_fields(dir)?;
        let classifier = if kind == KIND_AUTO { ClassifierConfig::read(&dir.join(CLASSIFIER_FOLDER)) } else { ClassifierConfig::read(dir) };
        Ok(Self { kind, fields, classifier: classifier? })
    }
}

/// Kind and fields of the model in a directory, whatever its kind.
pub(crate) fn published_fields(dir: &Path) -> Result<PublishedFields, Interruption> {
    let path = dir.join(CONFIG_FILE);
    let content = std::fs::read(&path).map_err(|error| Interruption::scratch(&path, &error))?;
    PublishedFields::parse(&content).map_err(|reason| Interruption::permanent("bad_model", reason))
}
