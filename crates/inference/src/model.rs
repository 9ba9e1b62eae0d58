//! A loaded model: immutable, shareable between threads, pure.

use std::path::Path;

use crate::{
    config::{FieldConfig, ModelConfig},
    error::ModelError,
    manifest,
    ngrams::NgramCounter,
    prediction::FieldPrediction,
    rows::SparseRow,
    vectorizer::Vectorizer,
    weights::{FieldWeights, Weights},
};

/// A model directory in memory.
#[derive(Debug)]
pub struct Model {
    config: ModelConfig,
    vectorizer: Vectorizer,
    heads: Vec<FieldWeights>,
}

impl Model {
    /// Loads a published model directory, after checking every file against its manifest.
    ///
    /// # Errors
    /// Names the file and the reason if anything is missing, changed, extra, malformed or of an unknown version.
    pub fn load(dir: &Path) -> Result<Self, ModelError> {
        manifest::verify(dir)?;
        Self::load_unpublished(dir)
    }

    /// Loads a model directory that has no manifest yet: what training wrote, before it is published.
    ///
    /// # Errors
    /// As [`Model::load`], but hashes are not checked.
    pub fn load_unpublished(dir: &Path) -> Result<Self, ModelError> {
        let config = ModelConfig::read(dir)?;
        let weights = Weights::read(dir, &config)?;
        let vectorizer = Vectorizer::new(config.features.clone(), weights.keys, weights.idf);
        Ok(Self { config, vectorizer, heads: weights.fields })
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The configuration of one field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&FieldConfig> {
        self.config.fields.iter().find(|field| field.name == name)
    }

    /// How the model turns a text into features.
    #[must_use]
    pub fn vectorizer(&self) -> &Vectorizer {
        &self.vectorizer
    }

    /// What the model says about a text, one answer per field, in the order of the configuration. The same text gives
    /// the same bits every time, alone or in a batch.
    #[must_use]
    pub fn predict(&self, text: &str) -> Vec<FieldPrediction> {
        self.predict_with(&mut NgramCounter::new(), text)
    }

    /// As [`Model::predict`] for each text; keeps its buffers from text to text.
    #[must_use]
    pub fn predict_batch<T: AsRef<str>>(&self, texts: &[T]) -> Vec<Vec<FieldPrediction>> {
        let mut counter = NgramCounter::new();
        texts.iter().map(|text| self.predict_with(&mut counter, text.as_ref())).collect()
    }

    /// As [`Model::predict`], with a counter that the caller keeps from text to text.
    #[must_use]
    pub fn predict_with(&self, counter: &mut NgramCounter, text: &str) -> Vec<FieldPrediction> {
        let row = self.vectorizer.vectorize(counter, text);
        let fields = self.config.fields.iter().zip(&self.heads);
        fields.map(|(field, head)| FieldPrediction::from_logits(field, &head.logits(&row))).collect()
    }
}

impl FieldWeights {
    /// Scores of the classes, added up feature by feature in 64 bits: one order, hence one result.
    #[must_use]
    pub fn logits(&self, row: &SparseRow) -> Vec<f64> {
        let classes = self.bias.len();
        let mut logits: Vec<f64> = self.bias.iter().map(|bias| f64::from(*bias)).collect();
        for (feature, value) in row.indices.iter().zip(&row.values) {
            let value = f64::from(*value);
            let start = *feature as usize * classes;
            for (logit, weight) in logits.iter_mut().zip(&self.weight[start..start + classes]) {
                *logit += value * f64::from(*weight);
            }
        }
        logits
    }
}
