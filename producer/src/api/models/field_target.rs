//! A target accuracy of a field in API responses: its threshold, or why there is none.

use aprendiz_evaluation::{TargetRow, Threshold};
use serde::Serialize;
use utoipa::ToSchema;

/// What a field answers without review at a target accuracy, from scores of unseen examples. Near-duplicates count once.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(super) struct FieldTarget {
    /// Target accuracy.
    target: f64,
    /// Whether the target is reached.
    status: TargetStatus,
    /// Lowest confidence that is answered; null = nothing is answered.
    threshold: Option<f64>,
    /// Fraction of the examples that is answered, 0 to 1; null if the version has no scores of unseen examples.
    coverage: Option<f64>,
    /// Number of examples.
    n: Option<u64>,
    /// Number of answered examples.
    answered: Option<u64>,
    /// Number of correct ones among them.
    correct: Option<u64>,
    /// One-sided lower bound of their accuracy, at least the target.
    lower_bound: Option<f64>,
    /// Of an unreachable target: the number of examples that would suffice if none of them were an error.
    needed: Option<u64>,
    /// Of an unreachable target: estimated number of further reviewed examples, at today's accuracy.
    more_examples: Option<u64>,
    /// Of an unreachable target: what stands in the way, as a sentence.
    reason: Option<String>,
}

/// Whether a target accuracy is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[cfg_attr(test, derive(serde::Deserialize))]
#[serde(rename_all = "snake_case")]
pub(in crate::api) enum TargetStatus {
    /// Confidences at or above the threshold are answered.
    Reached,
    /// Nothing is answered.
    TargetUnreachable,
}

impl FieldTarget {
    /// A threshold of a version without out-of-fold scores.
    pub(super) fn without_scores(target: f64, threshold: Option<f64>) -> Self {
        let status = if threshold.is_some() { TargetStatus::Reached } else { TargetStatus::TargetUnreachable };
        let empty = Self::from(&TargetRow { target, coverage: 0.0, threshold: UNKNOWN });
        Self { status, threshold, coverage: None, n: None, needed: None, reason: None, ..empty }
    }

    /// As it is, with a threshold that was recorded for the target.
    pub(super) fn with_threshold(self, threshold: Option<f64>) -> Self {
        Self { threshold, ..self }
    }
}

const UNKNOWN: Threshold = Threshold::Unreachable { needed: None, n: 0, obstacles: Vec::new(), more_examples: None };

impl From<&TargetRow> for FieldTarget {
    fn from(row: &TargetRow) -> Self {
        let reason = row.obstacle();
        match &row.threshold {
            Threshold::Reached { threshold, answered, correct, n, lower_bound } => Self {
                target: row.target,
                status: TargetStatus::Reached,
                threshold: Some(*threshold),
                coverage: Some(row.coverage),
                n: Some(*n),
                answered: Some(*answered),
                correct: Some(*correct),
                lower_bound: Some(*lower_bound),
                needed: None,
                more_examples: None,
                reason,
            },
            Threshold::Unreachable { needed, n, more_examples, .. } => Self {
                target: row.target,
                status: TargetStatus::TargetUnreachable,
                threshold: None,
                coverage: Some(row.coverage),
                n: Some(*n),
                answered: None,
                correct: None,
                lower_bound: None,
                needed: *needed,
                more_examples: *more_examples,
                reason,
            },
        }
    }
}
