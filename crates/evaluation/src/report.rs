//! Evaluation report: all metrics of one field on one split, and their representation as rows.

use serde::{Deserialize, Serialize};

use crate::{
    calibration::{ECE_BINS, ece, log_loss},
    classes::{Cell, ClassReport, Confusion, accuracy, class_reports, confusion, macro_f1, weighted_f1},
    coverage::{CurvePoint, coverage_curve, selective},
    example::{Label, ScoredExample, count_groups, ratio},
    interval::{Interval, wilson_of_proportion},
};

/// Maximum number of points of a stored coverage curve.
const MAX_CURVE_POINTS: usize = 200;

/// Inputs of a report besides the scored examples.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReportOptions {
    /// Majority class of the *train* split (`Some(None)` = `∅`). Without it, there is no baseline.
    pub majority: Option<Label>,
    /// Confidence threshold of the field; `None` = nothing is answered.
    pub threshold: Option<f64>,
}

/// All metrics of one field. `None` = undefined, because examples or probabilities are missing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldReport {
    /// Field name.
    pub field: String,
    /// Number of independent examples: a group of near-duplicates counts once.
    pub n: u64,
    /// Number of scored examples, copies included. All metrics but the interval are means over them.
    #[serde(default)]
    pub examples: u64,
    /// Examples without any known feature, which are never answered.
    #[serde(default)]
    pub no_known_feature: u64,
    /// Fraction of correct predictions.
    pub accuracy: Option<f64>,
    /// Wilson 95 % interval of the accuracy, as of `n` examples.
    pub accuracy_interval: Option<Interval>,
    /// Unweighted mean of the F1 scores of all occurring classes.
    pub macro_f1: Option<f64>,
    /// Mean of the F1 scores, weighted by support.
    pub weighted_f1: Option<f64>,
    /// Metrics per class, sorted, with `∅` last.
    pub classes: Vec<ClassReport>,
    /// Confusion matrix; `None` above [`MAX_CONFUSION_CLASSES`](crate::MAX_CONFUSION_CLASSES) classes.
    pub confusion: Option<Confusion>,
    /// The class that the baseline always predicts.
    pub majority: Option<MajorityLabel>,
    /// Accuracy of always predicting the majority class of train on these examples.
    pub majority_baseline: Option<f64>,
    /// Confidence threshold; `None` = nothing is answered.
    pub threshold: Option<f64>,
    /// Fraction answered at the threshold; 0 without a threshold.
    pub coverage: Option<f64>,
    /// Accuracy of the answered examples.
    pub selective_accuracy: Option<f64>,
    /// Coverage and accuracy per threshold, highest threshold first.
    pub coverage_curve: Vec<CurvePoint>,
    /// Expected calibration error over 15 equal-width bins.
    pub ece: Option<f64>,
    /// Mean negative natural logarithm of the probability of the accepted value.
    pub log_loss: Option<f64>,
}

/// A label wrapped in a struct, because `None` already means an unknown majority class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MajorityLabel {
    /// The class; `None` is `∅`.
    pub label: Label,
}

/// One row of the metrics table. At least one of `value` and `details` is set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricRow {
    /// Metric name, as in scikit-learn if it exists there.
    pub name: &'static str,
    /// Value; `None` = undefined, or details only.
    pub value: Option<f64>,
    /// Structured data.
    pub details: Option<Details>,
}

/// Structured part of a metric.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Details {
    /// Why the value is undefined.
    Undefined(&'static str),
    /// A confidence interval.
    Interval(Interval),
    /// Confusion matrix.
    Confusion(Confusion),
    /// Precision, recall, F1 and support of every class.
    Classes(Vec<ClassReport>),
    /// Coverage and accuracy per threshold.
    Curve(Vec<CurvePoint>),
    /// The class that the baseline predicts.
    Label(Label),
    /// The threshold at which the metric is computed.
    Threshold(f64),
    /// Number of bins.
    Bins(usize),
}

/// Computes every metric of a field.
#[must_use]
pub fn report(field: &str, examples: &[ScoredExample], options: &ReportOptions) -> FieldReport {
    let (n, total) = (count_groups(examples), examples.len() as u64);
    let accuracy = accuracy(examples);
    let cells: Vec<Cell<'_>> = examples.iter().map(Cell::from).collect();
    let classes = class_reports(&cells);
    // without a threshold nothing is answered: the coverage is 0, not undefined
    let at_threshold = selective(examples, options.threshold.unwrap_or(f64::INFINITY));
    let count_label = |label: &Label| examples.iter().filter(|example| example.gold == *label).count() as u64;
    FieldReport {
        field: field.to_owned(),
        n,
        examples: total,
        no_known_feature: examples.iter().filter(|example| example.never_answered).count() as u64,
        accuracy,
        accuracy_interval: accuracy.map(|accuracy| wilson_of_proportion(accuracy, n)),
        macro_f1: macro_f1(&classes),
        weighted_f1: weighted_f1(&classes),
        classes,
        confusion: confusion(&cells),
        majority_baseline: options.majority.as_ref().and_then(|label| ratio(count_label(label), total)),
        majority: options.majority.clone().map(|label| MajorityLabel { label }),
        threshold: options.threshold,
        coverage: at_threshold.coverage,
        selective_accuracy: at_threshold.selective_accuracy,
        coverage_curve: coverage_curve(examples, MAX_CURVE_POINTS),
        ece: ece(examples),
        log_loss: log_loss(examples),
    }
}

impl FieldReport {
    /// The report as rows of the metrics table. Undefined metrics have the reason in `details`.
    #[must_use]
    pub fn rows(&self) -> Vec<MetricRow> {
        let number = |name, value: Option<f64>, details: Option<Details>| MetricRow {
            name,
            value,
            details: details.or_else(|| value.is_none().then_some(Details::Undefined(self.undefined_reason(name)))),
        };
        let details = |name, details| MetricRow { name, value: None, details: Some(details) };
        let at_threshold = || self.threshold.map(Details::Threshold);
        let majority = self.majority.clone().map(|majority| Details::Label(majority.label));
        vec![
            number("n", Some(self.n as f64), None),
            number("examples", Some(self.examples as f64), None),
            number("accuracy", self.accuracy, self.accuracy_interval.map(Details::Interval)),
            number("macro_f1", self.macro_f1, None),
            number("weighted_f1", self.weighted_f1, None),
            number("majority_baseline", self.majority_baseline, self.majority_baseline.and(majority)),
            number("coverage", self.coverage, at_threshold()),
            number("selective_accuracy", self.selective_accuracy, self.selective_accuracy.and(at_threshold())),
            number("ece", self.ece, self.ece.and(Some(Details::Bins(ECE_BINS)))),
            number("log_loss", self.log_loss, None),
            details("per_class", Details::Classes(self.classes.clone())),
            details("confusion", self.confusion.clone().map_or(Details::Undefined("more than 500 classes"), Details::Confusion)),
            details("coverage_curve", Details::Curve(self.coverage_curve.clone())),
        ]
    }

    fn undefined_reason(&self, name: &str) -> &'static str {
        match name {
            _ if self.n == 0 => "no examples",
            "majority_baseline" => "unknown majority class of the train split",
            "selective_accuracy" => "no prediction reaches the threshold",
            "log_loss" => "no probability for the accepted value",
            _ => "undefined",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::testing::scored;

    fn example_report() -> FieldReport {
        let examples = [scored("a", "a", 0.9), scored("b", "a", 0.6), scored("-", "-", 0.8), scored("a", "a", 0.7)];
        report("law", &examples, &ReportOptions { majority: Some(Some("a".into())), threshold: Some(0.75) })
    }

    #[test]
    fn baseline_is_scored_on_the_evaluated_examples() {
        let report = example_report();
        assert_eq!((report.n, report.accuracy, report.majority_baseline), (4, Some(0.75), Some(0.5)));
        assert_eq!((report.coverage, report.selective_accuracy), (Some(0.5), Some(1.0)));
    }

    #[test]
    fn without_threshold_the_coverage_is_zero_but_the_curve_is_computed() {
        let report = report("law", &[scored("a", "a", 1.0)], &ReportOptions::default());
        assert_eq!((report.coverage, report.selective_accuracy), (Some(0.0), None));
        assert_eq!(report.coverage_curve.len(), 1);
        let row = report.rows().into_iter().find(|row| row.name == "selective_accuracy").unwrap();
        assert_eq!(row.details, Some(Details::Undefined("no prediction reaches the threshold")));
    }

    #[test]
    fn report_of_an_empty_split_has_only_undefined_metrics() {
        let report = report("law", &[], &ReportOptions::default());
        assert_eq!(report.n, 0);
        for row in report.rows() {
            assert!(["n", "examples"].contains(&row.name) || row.value.is_none(), "{} must be undefined", row.name);
            assert!(row.value.is_some() || row.details.is_some(), "{} must have a value or details", row.name);
        }
    }

    #[test]
    fn copies_narrow_no_interval() {
        let copy = |example: ScoredExample| ScoredExample { group: Some("copied".to_owned()), ..example };
        let once = [scored("a", "a", 0.9), scored("b", "a", 0.6)];
        let copied = [copy(once[0].clone()), copy(once[0].clone()), copy(once[0].clone()), once[1].clone()];
        let report = report("law", &copied, &ReportOptions { majority: Some(Some("a".into())), threshold: None });
        assert_eq!((report.n, report.examples, report.accuracy, report.majority_baseline), (2, 4, Some(0.75), Some(0.75)));
        let width = |interval: Interval| interval.high - interval.low;
        assert!(width(report.accuracy_interval.unwrap()) > width(crate::wilson(3, 4).unwrap()));
    }

    #[test]
    fn row_names_are_unique() {
        let mut names: Vec<_> = example_report().rows().iter().map(|row| row.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
