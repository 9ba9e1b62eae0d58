//! A model whose fields are predicted by a linear model, a field classifier, or both.

use std::path::Path;

use aprendiz_inference::{FieldPrediction, Model, NgramCounter, ThresholdStatus};
use burn::tensor::Device;

use crate::{
    auto_config::{AutoConfig, ChosenKind, Mixture},
    encoded_chunk::EncodedChunk,
    error::ClassifierError,
    model::{Classifier, EvidencedPrediction},
};

/// Folder of the linear model in a model directory.
pub const LINEAR_FOLDER: &str = "linear";

/// Folder of the field classifier in a model directory.
pub const CLASSIFIER_FOLDER: &str = "field-classifier";

/// A loaded model. It is immutable and can be shared between threads.
#[derive(Debug)]
pub struct AutoModel {
    config: AutoConfig,
    linear: Model,
    classifier: Classifier,
}

impl AutoModel {
    /// Loads a model directory without verifying it against its manifest.
    ///
    /// # Errors
    /// A file is missing, malformed or of an unsupported version, or the parts do not have the fields and labels of the configuration.
    pub fn load_unpublished(dir: &Path, device: &Device) -> Result<Self, ClassifierError> {
        let config = AutoConfig::read(dir)?;
        let linear = Model::load_unpublished(&dir.join(LINEAR_FOLDER))?;
        let classifier = Classifier::load_unpublished(&dir.join(CLASSIFIER_FOLDER), device)?;
        for (part, fields) in [(LINEAR_FOLDER, &linear.config().fields), (CLASSIFIER_FOLDER, &classifier.config().fields)] {
            let same =
                config.fields.iter().map(|field| (&field.name, &field.labels)).eq(fields.iter().map(|field| (&field.name, &field.labels)));
            if !same {
                return Err(ClassifierError::invalid(dir.join(part), "its fields or labels differ from those of the model"));
            }
        }
        Ok(Self { config, linear, classifier })
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &AutoConfig {
        &self.config
    }

    /// The field classifier, which has the encoder.
    #[must_use]
    pub fn classifier(&self) -> &Classifier {
        &self.classifier
    }

    /// Predicts all fields of a text from its chunks, in the order of the configuration. The counter provides reusable buffers.
    #[must_use]
    pub fn predict_chunks(&self, text: &str, chunks: &[EncodedChunk], counter: &mut NgramCounter) -> Vec<EvidencedPrediction> {
        let linear = self.linear.predict_with(counter, text);
        let classified = self.classifier.predict_chunks(chunks);
        let choices = self.config.fields.iter().zip(&self.config.choices).zip(linear.into_iter().zip(classified));
        choices
            .map(|((field, choice), (linear, classified))| {
                let EvidencedPrediction { prediction, evidence } = classified;
                let (mut prediction, evidence) = match choice.chosen {
                    ChosenKind::Linear => (linear, None),
                    ChosenKind::FieldClassifier => (prediction, evidence),
                    // a text without a token has no word, either
                    ChosenKind::Combination if prediction.no_known_feature => (prediction, None),
                    ChosenKind::Combination => {
                        let mixture = choice.mixture.unwrap_or(Mixture { weight: 1.0, inverse_temperature: 1.0 });
                        let logit = |label: &Option<String>| {
                            mixture.logit(linear.probability(label.as_deref()), prediction.probability(label.as_deref()))
                        };
                        let logits: Vec<f64> = field.labels.iter().map(logit).collect();
                        (FieldPrediction::from_logits(field, &logits), evidence)
                    }
                };
                prediction.decide(field.threshold.filter(|_| field.threshold_status == ThresholdStatus::Ok));
                EvidencedPrediction { prediction, evidence }
            })
            .collect()
    }
}
