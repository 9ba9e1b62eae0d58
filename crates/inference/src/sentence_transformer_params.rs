//! Parameters of the kind `sentence-transformer`, here so that the API checks them without linking Burn.

use serde::{Deserialize, Serialize};

/// The kind of model that these are parameters of.
pub const KIND_SENTENCE_TRANSFORMER: &str = "sentence-transformer";

/// What training makes smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PairLoss {
    /// Squared distance between the cosine of a pair and its label.
    CosineSimilarity,
    /// Among the partners of all pairs of a batch, the right one shall be the nearest. Uses only pairs that belong together.
    MultipleNegatives,
}

/// How an encoder is trained. Every parameter has a default; unknown ones are refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SentenceTransformerParams {
    /// What training makes smaller.
    pub loss: PairLoss,
    /// Passes over the pairs.
    pub epochs: usize,
    /// Pairs per step. Memory grows with it.
    pub batch: usize,
    /// Greatest learning rate, reached at the end of the warm-up; then it falls to 0 in a straight line.
    pub learning_rate: f64,
    /// Share of the steps in which the learning rate rises.
    pub warmup: f64,
    /// Share of a weight, times the learning rate, that is lost at each step; not for biases and norms.
    pub weight_decay: f64,
    /// Gradients that are longer than this, all together, are shortened to it.
    pub max_gradient: f64,
    /// Longest text in word pieces; `null` = as the base model says. Time and memory grow with it.
    pub max_length: Option<usize>,
    /// Contrastive few-shot learning: pairs are made of so many documents of each class, every two of one class and as many of two
    /// classes; `null` = the pairs of the snapshot.
    pub examples_per_class: Option<usize>,
    /// By how much cosines are multiplied for `multiple-negatives`.
    pub scale: f64,
    /// Epochs without a better average precision on validation after which training ends; 0 = all epochs, and the last weights are kept.
    pub patience: usize,
    /// Most documents of train, and of test, that are encoded to see how well nearest neighbours tell their classes.
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

impl SentenceTransformerParams {
    /// Reads parameters from the `params` of a run spec.
    ///
    /// # Errors
    /// Names the key that is unknown or out of range, and what is allowed.
    pub fn parse(params: &serde_json::Value) -> Result<Self, String> {
        let parsed: Self = serde_json::from_value(params.clone()).map_err(|error| format!("params: {error}"))?;
        parsed.check().map_err(|reason| format!("params: {reason}"))?;
        Ok(parsed)
    }

    fn check(&self) -> Result<(), String> {
        for (name, value, [least, most]) in [
            ("epochs", self.epochs, [1, 1000]),
            ("batch", self.batch, [2, 1024]),
            ("examples_per_class", self.examples_per_class.unwrap_or(2), [2, 1000]),
            ("evaluation_documents", self.evaluation_documents, [1, 100_000]),
            ("patience", self.patience, [0, 1000]),
            ("max_length", self.max_length.unwrap_or(3), [3, 65_536]),
        ] {
            if !(least..=most).contains(&value) {
                return Err(format!("{name} must be from {least} to {most}, not {value}"));
            }
        }
        for (name, value, [least, most]) in [
            ("learning_rate", self.learning_rate, [1e-9, 1.0]),
            ("warmup", self.warmup, [0.0, 1.0]),
            ("weight_decay", self.weight_decay, [0.0, 1.0]),
            ("max_gradient", self.max_gradient, [1e-6, 1e6]),
            ("scale", self.scale, [0.1, 1000.0]),
        ] {
            if !(least..=most).contains(&value) {
                return Err(format!("{name} must be from {least} to {most}, not {value}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn no_parameter_at_all_gives_the_defaults() {
        assert_eq!(SentenceTransformerParams::parse(&json!({})).unwrap(), SentenceTransformerParams::default());
    }

    #[test]
    fn what_is_unknown_or_out_of_range_is_named_with_what_is_allowed() {
        let refusal = |params| SentenceTransformerParams::parse(&params).unwrap_err();
        assert!(refusal(json!({"l2": 1})).contains("l2"));
        assert!(refusal(json!({"loss": "triplet"})).contains("cosine-similarity"));
        assert!(refusal(json!({"batch": 1})).contains("batch must be from 2 to 1024"));
        assert!(refusal(json!({"learning_rate": 0})).contains("learning_rate must be from"));
        assert!(refusal(json!({"max_length": 2})).contains("max_length"));
    }
}
