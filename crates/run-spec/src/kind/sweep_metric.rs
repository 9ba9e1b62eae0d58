//! The metric by which a sweep compares its trials.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A validation metric that selects the best trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SweepMetric {
    /// Fraction of correct predictions, over all fields.
    Accuracy,
    /// Mean of the macro F1 of all fields.
    MacroF1,
    /// Mean negative logarithm of the probability of the accepted value; the smallest is the best.
    LogLoss,
    /// Average precision of the similarity of pairs.
    AveragePrecision,
}

impl SweepMetric {
    /// The name in the table of metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::MacroF1 => "macro_f1",
            Self::LogLoss => "log_loss",
            Self::AveragePrecision => "average_precision",
        }
    }

    /// Whether the smallest value is the best.
    #[must_use]
    pub const fn is_loss(self) -> bool {
        matches!(self, Self::LogLoss)
    }
}

impl fmt::Display for SweepMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
