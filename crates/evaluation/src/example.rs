//! Scored examples: a prediction with the accepted value.

use std::collections::HashSet;

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
    /// The group of near-duplicates that the document belongs to. Its examples are one piece of evidence. `None` = a group of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Whether the prediction is never answered, whatever its confidence, because the model knows no feature of the text.
    #[serde(default)]
    pub never_answered: bool,
}

impl ScoredExample {
    /// Whether the prediction equals the accepted value.
    #[must_use]
    pub fn is_correct(&self) -> bool {
        self.gold == self.predicted
    }
}

/// Number of independent examples: examples of one group count once.
#[must_use]
pub fn count_groups(examples: &[ScoredExample]) -> u64 {
    let mut groups = HashSet::new();
    examples.iter().filter(|example| example.group.as_ref().is_none_or(|group| groups.insert(group))).count() as u64
}

/// Label order of all results of this crate: by text, with `∅` last.
pub(crate) fn label_order(a: &Option<&str>, b: &Option<&str>) -> std::cmp::Ordering {
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
            group: None,
            never_answered: false,
        }
    }
}
