//! Paired comparison of two models on the same examples.

mod bootstrap;
mod confusion;
mod example;
mod gate;
mod mcnemar;
mod mean;
mod statistics;

pub use bootstrap::Resampling;
pub use confusion::ConfusionDifference;
pub use example::{PairedAnswer, PairedExample};
pub use gate::{FieldGate, FieldOutcome, GateDecision, GateInput, GateMetric, GateResult, GateRules, decide};
pub use mcnemar::mcnemar_exact;
pub use mean::{MeanDifference, paired_mean_difference};
pub use statistics::{ClassDifference, MetricDifference, PairedComparison, compare};
