//! Metrics as pure functions: what a model is worth on a set of scored examples.
//!
//! Names and averages are those of scikit-learn. Nothing here reads a file, a clock or a database, and nothing chooses a
//! split: the caller says what was scored. A metric that is not defined (no example, no answer) is `None`, never NaN.
//! `None` as a [`Label`] is `∅`, "there is no value", and counts as a class like any other.

mod calibration;
mod classes;
mod coverage;
mod example;
mod interval;
mod neighbours;
mod pairs;
mod report;
mod threshold;

pub use calibration::{ECE_BINS, ece, log_loss};
pub use classes::{ClassReport, Confusion, accuracy, class_reports, confusion, macro_f1, weighted_f1};
pub use coverage::{CurvePoint, Selective, coverage_curve, selective};
pub use example::{Label, ScoredExample};
pub use interval::{Interval, clopper_pearson_lower, wilson};
pub use neighbours::{knn_accuracy, nearest_class};
pub use pairs::{average_precision, spearman};
pub use report::{Details, FieldReport, MajorityLabel, MetricRow, ReportOptions, report};
pub use threshold::{CONFIDENCE_LEVEL, Threshold, choose_threshold};
