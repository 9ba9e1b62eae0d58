//! Training parameters of the kind `sentence-transformer`.

use serde::{Deserialize, Serialize};

use crate::kind::params::{KindParams, ParamDescription};
use crate::kind::sweep_metric::SweepMetric;

/// Training loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PairLoss {
    /// Squared difference between the cosine similarity of a pair and its label.
    CosineSimilarity,
    /// Multiple-negatives ranking loss: softmax over in-batch negatives. Uses positive pairs only.
    MultipleNegatives,
}

/// Training parameters of a sentence transformer. Every parameter has a default; unknown parameters are rejected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SentenceTransformerParams {
    /// Training loss.
    pub loss: PairLoss,
    /// Number of epochs.
    pub epochs: usize,
    /// Batch size in pairs. Memory use grows with it.
    pub batch: usize,
    /// Peak learning rate, reached at the end of the warm-up; it then decays linearly to 0.
    pub learning_rate: f64,
    /// Fraction of the steps used for linear warm-up.
    pub warmup: f64,
    /// Decoupled weight decay (AdamW); not applied to biases and layer norms.
    pub weight_decay: f64,
    /// Maximum global gradient norm (gradient clipping).
    pub max_gradient: f64,
    /// Maximum number of tokens per text; `null` = limit of the base model. Time and memory use grow with it.
    pub max_length: Option<usize>,
    /// Contrastive few-shot learning: number of documents per class from which pairs are generated, namely all pairs within a class and as
    /// many across classes. `null` = use the pairs of the snapshot.
    pub examples_per_class: Option<usize>,
    /// Inverse temperature: factor of the cosine similarities in `multiple-negatives`.
    pub scale: f64,
    /// Early stopping: number of epochs without an improvement of the validation average precision; 0 = disabled, the last weights are
    /// kept.
    pub patience: usize,
    /// Maximum number of documents each of train and test for the k-nearest-neighbour evaluation.
    pub evaluation_documents: usize,
}

impl Default for SentenceTransformerParams {
    fn default() -> Self {
        Self {
            loss: PairLoss::CosineSimilarity,
            epochs: 1,
            batch: 16,
            learning_rate: 2e-5,
            warmup: 0.1,
            weight_decay: 0.01,
            max_gradient: 1.0,
            max_length: None,
            examples_per_class: None,
            scale: 20.0,
            patience: 2,
            evaluation_documents: 1000,
        }
    }
}

impl KindParams for SentenceTransformerParams {
    fn needs_base_model(&self) -> bool {
        true
    }

    fn freezes_base_model(&self) -> bool {
        false
    }

    fn trains_on_pairs(&self) -> bool {
        true
    }

    fn sweep_metrics(&self) -> &'static [SweepMetric] {
        const { &[SweepMetric::AveragePrecision] }
    }

    fn descriptions(&self) -> &'static [ParamDescription] {
        const {
            &[
                ParamDescription::integer("epochs", 1.0, Some(1000.0), "Number of epochs"),
                ParamDescription::integer("batch", 2.0, Some(1024.0), "Batch size in pairs; memory use grows with it"),
                ParamDescription::number("learning_rate", 1e-9, 1.0, "Peak learning rate"),
                ParamDescription::choice("loss", &["cosine-similarity", "multiple-negatives"], "Training loss"),
                ParamDescription::integer("examples_per_class", 2.0, Some(1000.0), "Few-shot: documents per class; null = all pairs")
                    .nullable(),
                ParamDescription::integer("max_length", 3.0, Some(65_536.0), "Maximum tokens per text; null = limit of the base model")
                    .nullable(),
                ParamDescription::integer("patience", 0.0, Some(1000.0), "Epochs without improvement before it stops early; 0 = never"),
                ParamDescription::number("warmup", 0.0, 1.0, "Fraction of the steps used for linear warm-up"),
                ParamDescription::number("weight_decay", 0.0, 1.0, "Decoupled weight decay (AdamW)"),
                ParamDescription::number("max_gradient", 1e-6, 1e6, "Maximum global gradient norm (gradient clipping)"),
                ParamDescription::number("scale", 0.1, 1000.0, "Inverse temperature of multiple-negatives"),
                ParamDescription::integer("evaluation_documents", 1.0, Some(100_000.0), "Maximum documents of train and of test for kNN"),
            ]
        }
    }

    fn check(&self) -> Result<(), String> {
        for (name, value, [min, max]) in [
            ("epochs", self.epochs, [1, 1000]),
            ("batch", self.batch, [2, 1024]),
            ("examples_per_class", self.examples_per_class.unwrap_or(2), [2, 1000]),
            ("evaluation_documents", self.evaluation_documents, [1, 100_000]),
            ("patience", self.patience, [0, 1000]),
            ("max_length", self.max_length.unwrap_or(3), [3, 65_536]),
        ] {
            if !(min..=max).contains(&value) {
                return Err(format!("{name} must be from {min} to {max}, not {value}"));
            }
        }
        for (name, value, [min, max]) in [
            ("learning_rate", self.learning_rate, [1e-9, 1.0]),
            ("warmup", self.warmup, [0.0, 1.0]),
            ("weight_decay", self.weight_decay, [0.0, 1.0]),
            ("max_gradient", self.max_gradient, [1e-6, 1e6]),
            ("scale", self.scale, [0.1, 1000.0]),
        ] {
            if !(min..=max).contains(&value) {
                return Err(format!("{name} must be from {min} to {max}, not {value}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::kind::params::parse;

    #[test]
    fn empty_params_give_the_defaults() {
        assert_eq!(parse::<SentenceTransformerParams>(&serde_json::Map::new()).unwrap(), SentenceTransformerParams::default());
    }

    #[test]
    fn unknown_and_out_of_range_parameters_are_reported() {
        let parse_error = |params: Value| parse::<SentenceTransformerParams>(params.as_object().unwrap()).unwrap_err();
        assert!(parse_error(json!({"l2": 1})).contains("l2"));
        assert!(parse_error(json!({"loss": "triplet"})).contains("cosine-similarity"));
        assert!(parse_error(json!({"batch": 1})).contains("batch must be from 2 to 1024"));
        assert!(parse_error(json!({"learning_rate": 0})).contains("learning_rate must be from"));
        assert!(parse_error(json!({"max_length": 2})).contains("max_length"));
    }
}
