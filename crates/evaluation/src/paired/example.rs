//! An example that two models predicted.

use serde::{Deserialize, Serialize};

use crate::example::Label;

/// What one model predicts for an example.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairedAnswer {
    /// The most probable class.
    pub predicted: Label,
    /// Whether the model answers by itself: the confidence reaches its threshold.
    pub answered: bool,
}

/// An example that both models predicted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairedExample {
    /// The accepted value.
    pub gold: Label,
    /// Prediction of the baseline.
    pub baseline: PairedAnswer,
    /// Prediction of the candidate.
    pub candidate: PairedAnswer,
    /// The group of near-duplicates that the document belongs to; `None` = a group of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}
