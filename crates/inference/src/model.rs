//! A loaded model. It is immutable and can be shared between threads.

use std::{collections::BTreeMap, path::Path};

use aprendiz_evaluation::ScoreCurve;

use crate::{
    config::{FieldConfig, ModelConfig},
    error::ModelError,
    features::{NgramCounter, SparseRow, Vectorizer},
    manifest,
    prediction::FieldPrediction,
    score_curves::ScoreCurves,
    weights::{FieldWeights, Weights},
    word_evidence::{TextWords, WordEvidence},
};

/// A model loaded from a model directory.
#[derive(Debug)]
pub struct Model {
    config: ModelConfig,
    vectorizer: Vectorizer,
    heads: Vec<FieldWeights>,
    score_curves: ScoreCurves,
}

impl Model {
    /// Loads a published model directory after verifying every file against the manifest.
    ///
    /// # Errors
    /// A file is missing, changed, extra, malformed or of an unsupported version. The message names the file and the reason.
    pub fn load(dir: &Path) -> Result<Self, ModelError> {
        manifest::verify(dir)?;
        Self::load_unpublished(dir)
    }

    /// Loads a model directory without a manifest, as written by training before publication.
    ///
    /// # Errors
    /// As [`Model::load`], but hashes are not verified.
    pub fn load_unpublished(dir: &Path) -> Result<Self, ModelError> {
        let config = ModelConfig::read(dir)?;
        let weights = Weights::read(dir, &config)?;
        let score_curves = ScoreCurves::read(dir)?;
        let vectorizer = Vectorizer::new(config.features.clone(), weights.keys, weights.idf);
        Ok(Self { config, vectorizer, heads: weights.fields, score_curves })
    }

    /// A model that is not on disk, without out-of-fold scores.
    ///
    /// # Errors
    /// The configuration is inconsistent, or a shape of the weights does not match it.
    pub fn in_memory(config: ModelConfig, weights: Weights) -> Result<Self, ModelError> {
        let invalid = |reason| ModelError::invalid("model in memory", reason);
        config.check().map_err(invalid)?;
        weights.check(&config).map_err(invalid)?;
        let vectorizer = Vectorizer::new(config.features.clone(), weights.keys, weights.idf);
        Ok(Self { config, vectorizer, heads: weights.fields, score_curves: ScoreCurves::new(BTreeMap::new()) })
    }

    /// The model configuration.
    #[must_use]
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The configuration of a field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&FieldConfig> {
        self.config.fields.iter().find(|field| field.name == name)
    }

    /// The out-of-fold scores of a field; `None` for versions that were published without them.
    #[must_use]
    pub fn score_curve(&self, field: &str) -> Option<&ScoreCurve> {
        self.score_curves.fields.get(field)
    }

    /// The feature extraction of the model.
    #[must_use]
    pub fn vectorizer(&self) -> &Vectorizer {
        &self.vectorizer
    }

    /// Predicts all fields of a text, in the order of the configuration. Results are bit-identical for the same text, alone or in a batch.
    #[must_use]
    pub fn predict(&self, text: &str) -> Vec<FieldPrediction> {
        self.predict_with(&mut NgramCounter::new(), text)
    }

    /// As [`Model::predict`] for several texts; reuses buffers between texts.
    #[must_use]
    pub fn predict_batch<T: AsRef<str>>(&self, texts: &[T]) -> Vec<Vec<FieldPrediction>> {
        let mut counter = NgramCounter::new();
        texts.iter().map(|text| self.predict_with(&mut counter, text.as_ref())).collect()
    }

    /// As [`Model::predict_with`], with the words that speak for and against each value. This takes several times as long.
    #[must_use]
    pub fn predict_with_evidence(&self, counter: &mut NgramCounter, text: &str) -> Vec<(FieldPrediction, Vec<WordEvidence>)> {
        let row = self.vectorizer.vectorize(counter, text);
        if row.indices.is_empty() {
            return self.config.fields.iter().map(|field| (FieldPrediction::without_features(field), Vec::new())).collect();
        }
        let words = TextWords::new(&self.vectorizer, counter, &row, text);
        let explain = |(field, head): (&FieldConfig, &FieldWeights)| {
            let prediction = FieldPrediction::from_logits(field, &head.logits(&row));
            let evidence = words.explain((field, head), &row, &prediction, text);
            (prediction, evidence)
        };
        self.config.fields.iter().zip(&self.heads).map(explain).collect()
    }

    /// As [`Model::predict`], with a counter that the caller reuses between texts.
    #[must_use]
    pub fn predict_with(&self, counter: &mut NgramCounter, text: &str) -> Vec<FieldPrediction> {
        let row = self.vectorizer.vectorize(counter, text);
        if row.indices.is_empty() {
            return self.config.fields.iter().map(FieldPrediction::without_features).collect();
        }
        let fields = self.config.fields.iter().zip(&self.heads);
        fields.map(|(field, head)| FieldPrediction::from_logits(field, &head.logits(&row))).collect()
    }
}

impl FieldWeights {
    /// Logits of the classes. They are summed feature by feature in 64 bits, in a fixed order, so that results are reproducible.
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
