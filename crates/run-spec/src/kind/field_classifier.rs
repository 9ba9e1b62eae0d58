//! Training parameters of the kind `field-classifier`.

use serde::{Deserialize, Serialize};

use crate::kind::final_fit::FinalFit;
use crate::kind::params::{KindParams, ParamDescription};
use crate::kind::sweep_metric::SweepMetric;

/// Training parameters of a field classifier. Every parameter has a default; unknown parameters are rejected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FieldClassifierParams {
    /// Maximum length of a chunk in tokens, special tokens included. At most the limit of the base model.
    pub chunk_tokens: usize,
    /// Tokens that neighbouring chunks share. At most half of `chunk_tokens`.
    pub chunk_overlap: usize,
    /// Maximum number of chunks of a document; of a longer one, evenly spaced chunks are used.
    pub max_chunks: usize,
    /// Number of epochs of a head.
    pub epochs: usize,
    /// Minimum batch size in documents. Of many documents, batches are larger: an epoch has at most 100 steps.
    pub batch: usize,
    /// Peak learning rate; it decays to 0 along a cosine.
    pub learning_rate: f64,
    /// L2 penalty of the weights of vectors in a head, in proportion to the number of examples.
    pub l2: f64,
    /// The same for the weights of n-grams, which heads of long texts have.
    pub ngram_l2: f64,
    /// Whether rare classes weigh more: each class in inverse proportion to its frequency.
    pub class_weights: bool,
    /// Number of folds for the out-of-fold scores.
    pub folds: usize,
    /// Which splits the published model is fitted on: train, or train and validation.
    pub final_fit: FinalFit,
}

impl Default for FieldClassifierParams {
    fn default() -> Self {
        Self {
            chunk_tokens: 128,
            chunk_overlap: 32,
            max_chunks: 128,
            epochs: 40,
            batch: 32,
            learning_rate: 0.05,
            l2: 0.1,
            ngram_l2: 0.02,
            class_weights: false,
            folds: 5,
            final_fit: FinalFit::default(),
        }
    }
}

impl KindParams for FieldClassifierParams {
    fn needs_base_model(&self) -> bool {
        true
    }

    fn freezes_base_model(&self) -> bool {
        true
    }

    fn trains_on_pairs(&self) -> bool {
        false
    }

    fn sweep_metrics(&self) -> &'static [SweepMetric] {
        const { &[SweepMetric::Accuracy, SweepMetric::MacroF1, SweepMetric::LogLoss] }
    }

    fn descriptions(&self) -> &'static [ParamDescription] {
        const {
            &[
                ParamDescription::integer(
                    "chunk_tokens",
                    16.0,
                    Some(8192.0),
                    "Maximum tokens per chunk; at most the limit of the base model",
                ),
                ParamDescription::integer("chunk_overlap", 0.0, Some(4096.0), "Tokens that neighbouring chunks share"),
                ParamDescription::integer("max_chunks", 1.0, Some(1024.0), "Maximum chunks per document; of more, evenly spaced ones"),
                ParamDescription::integer("epochs", 1.0, Some(10_000.0), "Number of epochs of a head"),
                ParamDescription::integer("batch", 1.0, Some(4096.0), "Minimum batch size in documents; an epoch has at most 100 steps"),
                ParamDescription::number("learning_rate", 1e-6, 10.0, "Peak learning rate"),
                ParamDescription::number("l2", 0.0, 1e6, "L2 penalty of the weights of vectors"),
                ParamDescription::number("ngram_l2", 0.0, 1e6, "L2 penalty of the weights of n-grams, which heads of long texts have"),
                ParamDescription::boolean("class_weights", "Whether rare classes weigh more"),
                ParamDescription::integer("folds", 2.0, Some(100.0), "Folds of the out-of-fold scores"),
                ParamDescription::choice("final_fit", &["train", "train+validation"], "Splits that the published model is fitted on"),
            ]
        }
    }

    fn check(&self) -> Result<(), String> {
        for (name, value, [min, max]) in [
            ("chunk_tokens", self.chunk_tokens, [16, 8192]),
            ("chunk_overlap", self.chunk_overlap, [0, 4096]),
            ("max_chunks", self.max_chunks, [1, 1024]),
            ("epochs", self.epochs, [1, 10_000]),
            ("batch", self.batch, [1, 4096]),
            ("folds", self.folds, [2, 100]),
        ] {
            if !(min..=max).contains(&value) {
                return Err(format!("{name} must be from {min} to {max}, not {value}"));
            }
        }
        for (name, value, [min, max]) in
            [("learning_rate", self.learning_rate, [1e-6, 10.0]), ("l2", self.l2, [0.0, 1e6]), ("ngram_l2", self.ngram_l2, [0.0, 1e6])]
        {
            if !(min..=max).contains(&value) {
                return Err(format!("{name} must be from {min} to {max}, not {value}"));
            }
        }
        if self.final_fit == FinalFit::All {
            return Err("final_fit must be train or train+validation for this kind, not all".to_owned());
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
        assert_eq!(parse::<FieldClassifierParams>(&serde_json::Map::new()).unwrap(), FieldClassifierParams::default());
    }

    #[test]
    fn unknown_and_out_of_range_parameters_are_reported() {
        let parse_error = |params: Value| parse::<FieldClassifierParams>(params.as_object().unwrap()).unwrap_err();
        assert!(parse_error(json!({"loss": "x"})).contains("loss"));
        assert!(parse_error(json!({"chunk_tokens": 4})).contains("chunk_tokens must be from 16 to 8192"));
        assert!(parse_error(json!({"final_fit": "all"})).contains("final_fit must be train or"));
        assert!(parse_error(json!({"l2": -1})).contains("l2 must be from"));
    }
}
