//! Scored examples: a prediction with the accepted value.

use serde::{Deserialize, Serialize};

/// A class of a field; `None` is `∅` (no value).
pub type Label = Option<String>;

/// A prediction for one field of one document, with the accepted value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoredExample {
    /// The accepted value.
    pub gold: Label,
    /// The most probable class.
    pub predicted: Label,
    /// Probability of `predicted`, from 0 to 1.
    pub confidence: f64,
    /// Predicted probability of `gold`, from 0 to 1; 0 for an unseen class. `None` if probabilities are unknown, as for predictions of an
    /// extractor; `log_loss` is undefined then.
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

/// Label order of all results of this crate: by text, with `∅` last.
pub(crate) fn label_order(a: &Label, b: &Label) -> std::cmp::Ordering {
    match (a, b) {
        (None, None) => std::cmp::Ordering::Equal,
        (None, Some(_)) => std::cmp::Ordering::Greater,
        (Some(_), None) => std::cmp::Ordering::Less,
        (Some(a), Some(b)) => a.cmp(b),
    }
}

/// `part / whole`, or `None` if `whole` is 0.
pub(crate) fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
pub(crate) mod testing {
    use super::ScoredExample;

    /// A scored example; the label `-` is `∅`.
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
