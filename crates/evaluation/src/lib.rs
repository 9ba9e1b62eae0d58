//! Evaluation metrics as pure functions over scored examples.
//!
//! Names and averages follow scikit-learn. The caller chooses the split to score. An undefined metric (for example without examples)
//! is `None`, never NaN. The [`Label`] `None` (`∅`, no value) is a class like any other.

mod calibration;
mod classes;
mod confusion_counts;
mod coverage;
mod example;
mod interval;
mod knn;
mod learning_curve;
mod paired;
mod ranking;
mod reliability;
mod report;
mod score_curve;
mod slices;
mod target_table;
mod threshold;
mod threshold_plan;

pub use calibration::{ECE_BINS, ece, log_loss};
pub use classes::{Cell, ClassReport, Confusion, MAX_CONFUSION_CLASSES, accuracy, class_reports, confusion, macro_f1, weighted_f1};
pub use confusion_counts::ConfusionCounts;
pub use coverage::{CurvePoint, Selective, coverage_curve, selective};
pub use example::{Label, ScoredExample, count_groups};
pub use interval::{Interval, clopper_pearson_lower, wilson, wilson_of_proportion};
pub use knn::{knn_accuracy, knn_classify};
pub use learning_curve::{FORECAST_FACTORS, Forecast, LearningCurve, LearningPoint, PowerLaw};
pub use paired::{
    ClassDifference, ConfusionDifference, FieldGate, FieldOutcome, GateDecision, GateInput, GateMetric, GateResult, GateRules,
    MeanDifference, MetricDifference, PairedAnswer, PairedComparison, PairedExample, Resampling, compare, decide, mcnemar_exact,
    paired_mean_difference,
};
pub use ranking::{average_precision, spearman};
pub use reliability::{RELIABILITY_BINS, ReliabilityBin, reliability_bins};
pub use report::{Details, FieldReport, MajorityLabel, MetricRow, ReportOptions, report};
pub use score_curve::{ScoreCurve, ScoreStep};
pub use slices::{
    FieldSlices, MAX_SLICE_VALUE_CHARS, MAX_SLICES_PER_DIMENSION, NO_SLICE_VALUE, OTHER_SLICES, SLICES_METRIC, Slice, SliceAttributes,
    SliceDimension, SliceIndex, WORST_SLICES_METRIC, WorstSlice, WorstSlices, slice_dimensions, worst_slices,
};
pub use target_table::{TABLE_TARGETS, TargetRow, target_table};
pub use threshold::{CONFIDENCE_LEVEL, Obstacle, Threshold, choose_threshold, select_threshold};
pub use threshold_plan::{PlanPoint, ThresholdPlan};
