//! All metrics of one field on one split, and their flat form for a table of metrics.

use serde::{Deserialize, Serialize};

use crate::{
    calibration::{ECE_BINS, ece, log_loss},
    classes::{ClassReport, Confusion, accuracy, class_reports, confusion, correct, macro_f1, weighted_f1},
    coverage::{CurvePoint, coverage_curve, selective},
    example::{Label, ScoredExample, ratio},
    interval::{Interval, wilson},
};

/// Points kept of a coverage curve.
const CURVE_POINTS: usize = 200;

/// What a report needs to know beside the scored examples.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReportOptions {
    /// The most frequent class of the *train* split (`Some(None)` = `∅`); without it there is no baseline.
    pub majority: Option<Label>,
    /// The threshold of the field; `None` where nothing is answered unasked.
    pub threshold: Option<f64>,
}

/// Every metric of one field. `None` = not defined, for want of examples or probabilities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldReport {
    /// The field.
    pub field: String,
    /// Examples scored.
    pub n: u64,
    /// Share predicted right.
    pub accuracy: Option<f64>,
    /// Wilson's 95 % interval of the accuracy.
    pub accuracy_interval: Option<Interval>,
    /// Plain mean of the F1 of the classes that occur.
    pub macro_f1: Option<f64>,
    /// Mean of the F1, weighted by support.
    pub weighted_f1: Option<f64>,
    /// Figures per class, sorted, `∅` last.
    pub classes: Vec<ClassReport>,
    /// Which class was taken for which.
    pub confusion: Confusion,
    /// The class that the baseline always answers.
    pub majority: Option<MajorityLabel>,
    /// Accuracy of always answering the majority class of train, on these examples.
    pub majority_baseline: Option<f64>,
    /// The threshold; `None` where nothing is answered unasked.
    pub threshold: Option<f64>,
    /// Share answered at the threshold; 0 without one.
    pub coverage: Option<f64>,
    /// Accuracy of the answered.
    pub selective_accuracy: Option<f64>,
    /// Coverage and accuracy at every threshold, strictest first.
    pub coverage_curve: Vec<CurvePoint>,
    /// Expected calibration error over 15 equal-width bins.
    pub ece: Option<f64>,
    /// Mean negative log probability of the accepted value.
    pub log_loss: Option<f64>,
}

/// A label in a place where its absence already means "unknown".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MajorityLabel {
    /// The class; `None` is `∅`.
    pub label: Label,
}

/// One row for a table of metrics: at least one of `value` and `details` is there.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricRow {
    /// Name as in scikit-learn where it has one.
    pub name: &'static str,
    /// The number; `None` = not defined, or only details.
    pub value: Option<f64>,
    /// What a number cannot hold.
    pub details: Option<Details>,
}

/// Structured part of a metric.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Details {
    /// Why there is no value.
    Undefined(&'static str),
    /// A confidence interval.
    Interval(Interval),
    /// The confusion matrix.
    Confusion(Confusion),
    /// Precision, recall, F1 and support of every class.
    Classes(Vec<ClassReport>),
    /// Coverage and accuracy at every threshold.
    Curve(Vec<CurvePoint>),
    /// The class a baseline answers.
    Label(Label),
    /// The threshold a figure holds at.
    Threshold(f64),
    /// Number of bins.
    Bins(usize),
}

/// Computes every metric of a field.
#[must_use]
pub fn report(field: &str, examples: &[ScoredExample], options: &ReportOptions) -> FieldReport {
    let n = examples.len() as u64;
    let confusion = confusion(examples);
    let classes = class_reports(&confusion);
    // without a threshold nothing is answered, which is a coverage of zero and not an unknown one
    let at_threshold = selective(examples, options.threshold.unwrap_or(f64::INFINITY));
    let majority_hits = |label: &Label| examples.iter().filter(|example| example.gold == *label).count() as u64;
    FieldReport {
        field: field.to_owned(),
        n,
        accuracy: accuracy(examples),
        accuracy_interval: wilson(correct(examples), n),
        macro_f1: macro_f1(&classes),
        weighted_f1: weighted_f1(&classes),
        classes,
        confusion,
        majority_baseline: options.majority.as_ref().and_then(|label| ratio(majority_hits(label), n)),
        majority: options.majority.clone().map(|label| MajorityLabel { label }),
        threshold: options.threshold,
        coverage: at_threshold.coverage,
        selective_accuracy: at_threshold.selective_accuracy,
        coverage_curve: coverage_curve(examples, CURVE_POINTS),
        ece: ece(examples),
        log_loss: log_loss(examples),
    }
}

impl FieldReport {
    /// The report as rows of a table of metrics; figures that are not defined say so in `details`.
    #[must_use]
    pub fn rows(&self) -> Vec<MetricRow> {
        let number = |name, value: Option<f64>, details: Option<Details>| MetricRow {
            name,
            value,
            details: details.or_else(|| value.is_none().then_some(Details::Undefined(self.why_undefined(name)))),
        };
        let details = |name, details| MetricRow { name, value: None, details: Some(details) };
        let at_threshold = || self.threshold.map(Details::Threshold);
        let majority = self.majority.clone().map(|majority| Details::Label(majority.label));
        vec![
            number("n", Some(self.n as f64), None),
            number("accuracy", self.accuracy, self.accuracy_interval.map(Details::Interval)),
            number("macro_f1", self.macro_f1, None),
            number("weighted_f1", self.weighted_f1, None),
            number("majority_baseline", self.majority_baseline, self.majority_baseline.and(majority)),
            number("coverage", self.coverage, at_threshold()),
            number("selective_accuracy", self.selective_accuracy, self.selective_accuracy.and(at_threshold())),
            number("ece", self.ece, self.ece.and(Some(Details::Bins(ECE_BINS)))),
            number("log_loss", self.log_loss, None),
            details("per_class", Details::Classes(self.classes.clone())),
            details("confusion", Details::Confusion(self.confusion.clone())),
            details("coverage_curve", Details::Curve(self.coverage_curve.clone())),
        ]
    }

    fn why_undefined(&self, name: &str) -> &'static str {
        match name {
            _ if self.n == 0 => "no example",
            "majority_baseline" => "the majority class of train is not known",
            "selective_accuracy" => "nothing is answered",
            "log_loss" => "no probability of the accepted value",
            _ => "not defined",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::testing::scored;

    fn worked() -> FieldReport {
        let examples = [scored("a", "a", 0.9), scored("b", "a", 0.6), scored("-", "-", 0.8), scored("a", "a", 0.7)];
        report("law", &examples, &ReportOptions { majority: Some(Some("a".into())), threshold: Some(0.75) })
    }

    #[test]
    fn the_baseline_is_scored_on_the_evaluated_examples() {
        let report = worked();
        assert_eq!((report.n, report.accuracy, report.majority_baseline), (4, Some(0.75), Some(0.5)));
        assert_eq!((report.coverage, report.selective_accuracy), (Some(0.5), Some(1.0)));
    }

    #[test]
    fn no_threshold_means_nothing_is_answered_but_the_curve_is_there() {
        let report = report("law", &[scored("a", "a", 1.0)], &ReportOptions::default());
        assert_eq!((report.coverage, report.selective_accuracy), (Some(0.0), None));
        assert_eq!(report.coverage_curve.len(), 1);
        let row = report.rows().into_iter().find(|row| row.name == "selective_accuracy").unwrap();
        assert_eq!(row.details, Some(Details::Undefined("nothing is answered")));
    }

    #[test]
    fn an_empty_split_has_a_report_without_numbers() {
        let report = report("law", &[], &ReportOptions::default());
        assert_eq!(report.n, 0);
        for row in report.rows() {
            assert!(row.name == "n" || row.value.is_none(), "{} must not be defined", row.name);
            assert!(row.value.is_some() || row.details.is_some(), "{} must say something", row.name);
        }
    }

    #[test]
    fn every_row_has_its_own_name() {
        let mut names: Vec<_> = worked().rows().iter().map(|row| row.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
