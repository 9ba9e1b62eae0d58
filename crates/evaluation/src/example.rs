//! One scored example: what is true and what the model said.

use serde::{Deserialize, Serialize};

/// A class of a field; `None` is `∅`, the answer "there is no value".
pub type Label = Option<String>;

/// What a model said about one field of one document, beside the accepted value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoredExample {
    /// The accepted value.
    pub gold: Label,
    /// The most probable class.
    pub predicted: Label,
    /// Probability of `predicted`, 0 to 1.
    pub confidence: f64,
    /// Probability the model gave to `gold`, 0 to 1; 0 for a class it has never seen. `None` where probabilities are
    /// unknown (predictions of an extractor): `log_loss` is then not defined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gold_probability: Option<f64>,
}

impl ScoredExample {
    /// Whether the prediction equals the accepted value.
    #[must_use]
    pub fn is_correct(&self) -> bool {
        self.gold == self.predicted
    }
}

/// Orders labels by text with `∅` last, the order of every list this crate returns.
pub(crate) fn label_order(a: &Label, b: &Label) -> std::cmp::Ordering {
    match (a, b) {
        (None, None) => std::cmp::Ordering::Equal,
        (None, Some(_)) => std::cmp::Ordering::Greater,
        (Some(_), None) => std::cmp::Ordering::Less,
        (Some(a), Some(b)) => a.cmp(b),
    }
}

/// `part / whole`, not defined for an empty whole.
pub(crate) fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
pub(crate) mod testing {
    use super::ScoredExample;

    /// An example from terse text, where `-` is `∅`.
    pub(crate) fn scored(gold: &str, predicted: &str, confidence: f64) -> ScoredExample {
        let label = |text: &str| (text != "-").then(|| text.to_owned());
        ScoredExample {
            gold: label(gold),
            predicted: label(predicted),
            confidence,
            gold_probability: Some(if gold == predicted { confidence } else { (1.0 - confidence) / 2.0 }),
        }
    }
}
