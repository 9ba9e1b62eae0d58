//! Paired comparison of two models on the same examples.

mod bootstrap;
mod gate;
mod mcnemar;
mod statistics;

pub use bootstrap::Resampling;
pub use gate::{FieldGate, FieldOutcome, GateDecision, GateInput, GateMetric, GateResult, GateRules, decide};
pub use mcnemar::mcnemar_exact;
pub use statistics::{ClassDifference, ConfusionDifference, MetricDifference, PairedAnswer, PairedComparison, PairedExample, compare};
