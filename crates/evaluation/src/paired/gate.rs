//! The gate of a promotion: whether a candidate may replace a baseline, by non-inferiority per field.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::example::Label;
use crate::interval::Interval;
use crate::paired::statistics::{MetricDifference, PairedComparison};

const COVERAGE: &str = GateMetric::Coverage.name();
const SELECTIVE_ACCURACY: &str = GateMetric::SelectiveAccuracy.name();

/// Metric that the gate compares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GateMetric {
    /// Fraction of correct predictions.
    #[default]
    Accuracy,
    /// Unweighted mean of the F1 scores of all occurring classes.
    MacroF1,
    /// Mean of the F1 scores, weighted by support.
    WeightedF1,
    /// Fraction that the version answers by itself.
    Coverage,
    /// Accuracy of what the version answers by itself.
    SelectiveAccuracy,
}

impl GateMetric {
    /// Name of the metric, as in [`MetricDifference`].
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::MacroF1 => "macro_f1",
            Self::WeightedF1 => "weighted_f1",
            Self::Coverage => "coverage",
            Self::SelectiveAccuracy => "selective_accuracy",
        }
    }
}

/// Rules of the gate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GateRules {
    /// The compared metric; default accuracy.
    pub metric: GateMetric,
    /// Non-inferiority margin, as a fraction: the lower bound of the difference must not be below its negative. Default 0.02, two points.
    #[schema(minimum = 0, maximum = 1)]
    pub margin: f64,
    /// Margins of single fields, instead of `margin`.
    pub field_margins: BTreeMap<String, f64>,
    /// Independent examples per field below which the gate decides nothing: `insufficient_evidence`. Default 200.
    #[schema(minimum = 1)]
    pub min_n: u64,
    /// If given, `coverage` and `selective_accuracy`, each version at its own thresholds, must not be worse by more than this fraction
    /// either: fewer answers without review, or worse ones, are a loss of their own. Default: off.
    #[schema(minimum = 0, maximum = 1)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage_margin: Option<f64>,
}

impl Default for GateRules {
    fn default() -> Self {
        Self { metric: GateMetric::default(), margin: 0.02, field_margins: BTreeMap::new(), min_n: 200, coverage_margin: None }
    }
}

impl GateRules {
    /// The margin of a field.
    #[must_use]
    pub fn margin_of(&self, field: &str) -> f64 {
        self.field_margins.get(field).copied().unwrap_or(self.margin)
    }
}

/// What is known about one field of the two versions.
#[derive(Debug, Clone)]
pub struct GateInput<'a> {
    /// Name of the field.
    pub field: &'a str,
    /// Classes that the baseline knows; `None` if it does not predict the field.
    pub baseline_labels: Option<&'a [Label]>,
    /// Classes that the candidate knows; `None` if it does not predict the field.
    pub candidate_labels: Option<&'a [Label]>,
    /// The comparison on common examples; `None` if there is none.
    pub comparison: Option<&'a PairedComparison>,
}

/// Outcome of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FieldOutcome {
    /// The candidate is shown to be no worse than the margin allows.
    Passed,
    /// The candidate may be worse than the margin allows.
    Worse,
    /// Too few common examples to decide.
    InsufficientEvidence,
    /// Only the candidate predicts the field: nothing is lost.
    NewField,
    /// Only the baseline predicts the field: its answers would be lost.
    VanishedField,
    /// The candidate does not know a class that the baseline knows and that occurs among the compared examples.
    VanishedLabels,
}

/// Decision on one field, with its reasons.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FieldGate {
    /// Name of the field.
    pub field: String,
    /// The outcome.
    pub outcome: FieldOutcome,
    /// Number of independent examples of the comparison.
    pub n: u64,
    /// Value of the metric for the baseline.
    pub baseline: Option<f64>,
    /// Value of the metric for the candidate.
    pub candidate: Option<f64>,
    /// Candidate minus baseline.
    pub difference: Option<f64>,
    /// 95 % interval of the difference.
    pub interval: Option<Interval>,
    /// Non-inferiority margin of the field.
    pub margin: f64,
    /// Fraction that each version answers by itself, at its own thresholds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<MetricDifference>,
    /// Accuracy of these answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selective_accuracy: Option<MetricDifference>,
    /// Classes that only the candidate knows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub new_labels: Vec<Label>,
    /// Classes that only the baseline knows and that occur among the compared examples.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vanished_labels: Vec<Label>,
    /// The rule that decided, as a sentence.
    pub reason: String,
}

/// Decision of the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GateDecision {
    /// Every field passed.
    Passed,
    /// A field would become worse, or be lost.
    Refused,
    /// No field is refused, and a field has too few common examples.
    InsufficientEvidence,
}

/// Result of the gate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GateResult {
    /// The decision.
    pub decision: GateDecision,
    /// The compared metric.
    pub metric: GateMetric,
    /// Decision per field, by name.
    pub fields: Vec<FieldGate>,
}

/// Decides whether a candidate may replace the baseline.
///
/// A field passes if the lower 95 % bound of the difference (candidate minus baseline) is at least `-margin` on at least `min_n`
/// independent examples. Below `min_n`, the evidence is insufficient, unless the whole interval is below `-margin`: few examples may
/// suffice to show that a candidate is worse, never that it is not. A field that only the baseline predicts is refused, and so is one whose
/// candidate no longer knows a class that occurs; a field that only the candidate predicts passes. Without a common field the evidence is
/// insufficient.
///
/// With `coverage_margin`, the same test applies to the coverage and to the selective accuracy of the field, and the worst of the three
/// outcomes counts. The selective accuracy is not compared if a side answers nothing: a baseline without answers has none to lose, and the
/// loss of all answers is a loss of coverage.
#[must_use]
pub fn decide(fields: &[GateInput<'_>], rules: &GateRules) -> GateResult {
    let fields: Vec<FieldGate> = fields.iter().map(|field| decide_field(field, rules)).collect();
    let any = |wanted: &[FieldOutcome]| fields.iter().any(|field| wanted.contains(&field.outcome));
    let decision = if any(&[FieldOutcome::Worse, FieldOutcome::VanishedField, FieldOutcome::VanishedLabels]) {
        GateDecision::Refused
    } else if any(&[FieldOutcome::InsufficientEvidence]) || !any(&[FieldOutcome::Passed]) {
        GateDecision::InsufficientEvidence
    } else {
        GateDecision::Passed
    };
    GateResult { decision, metric: rules.metric, fields }
}

fn decide_field(input: &GateInput<'_>, rules: &GateRules) -> FieldGate {
    let metric = input.comparison.and_then(|comparison| comparison.metric(rules.metric.name()));
    let margin = rules.margin_of(input.field);
    let only_in = |labels: Option<&[Label]>, other: Option<&[Label]>| -> Vec<Label> {
        labels.zip(other).map_or_else(Vec::new, |(labels, other)| labels.iter().filter(|label| !other.contains(label)).cloned().collect())
    };
    let occurs = |label: &Label| {
        input.comparison.is_some_and(|comparison| comparison.classes.iter().any(|class| class.label == *label && class.support > 0))
    };
    let mut vanished_labels = only_in(input.baseline_labels, input.candidate_labels);
    vanished_labels.retain(occurs);
    let mut gate = FieldGate {
        field: input.field.to_owned(),
        outcome: FieldOutcome::Passed,
        n: input.comparison.map_or(0, |comparison| comparison.n),
        baseline: metric.and_then(|metric| metric.baseline),
        candidate: metric.and_then(|metric| metric.candidate),
        difference: metric.and_then(|metric| metric.difference),
        interval: metric.and_then(|metric| metric.interval),
        margin,
        coverage: input.comparison.and_then(|comparison| comparison.metric(COVERAGE).cloned()),
        selective_accuracy: input.comparison.and_then(|comparison| comparison.metric(SELECTIVE_ACCURACY).cloned()),
        new_labels: only_in(input.candidate_labels, input.baseline_labels),
        vanished_labels,
        reason: String::new(),
    };
    (gate.outcome, gate.reason) = outcome(input, &gate, rules);
    gate
}

fn outcome(input: &GateInput<'_>, gate: &FieldGate, rules: &GateRules) -> (FieldOutcome, String) {
    match (input.baseline_labels, input.candidate_labels) {
        (None, _) => return (FieldOutcome::NewField, "only the candidate predicts this field".to_owned()),
        (Some(_), None) => return (FieldOutcome::VanishedField, "the candidate does not predict this field".to_owned()),
        _ => {}
    }
    if !gate.vanished_labels.is_empty() {
        let labels: Vec<&str> = gate.vanished_labels.iter().map(|label| label.as_deref().unwrap_or("no value")).collect();
        return (FieldOutcome::VanishedLabels, format!("the candidate no longer knows: {}", labels.join(", ")));
    }
    let name = rules.metric.name();
    let mut decided = non_inferiority(name, gate.interval, gate.n, gate.margin, rules.min_n);
    let Some(margin) = rules.coverage_margin else { return decided };
    for difference in [&gate.coverage, &gate.selective_accuracy].into_iter().flatten().filter(|difference| difference.metric != name) {
        if difference.metric == SELECTIVE_ACCURACY && difference.difference.is_none() {
            continue;
        }
        let (outcome, reason) = non_inferiority(&difference.metric, difference.interval, gate.n, margin, rules.min_n);
        let reason = format!("{}: {reason}", difference.metric.replace('_', " "));
        match (severity(outcome).cmp(&severity(decided.0)), outcome) {
            (Ordering::Greater, _) => decided = (outcome, reason),
            (Ordering::Equal, FieldOutcome::Passed) => {}
            (Ordering::Equal, _) => decided.1 = format!("{}; {reason}", decided.1),
            (Ordering::Less, _) => {}
        }
    }
    decided
}

/// Order of the outcomes of a test: the worst one of a field counts.
const fn severity(outcome: FieldOutcome) -> u8 {
    match outcome {
        FieldOutcome::Passed | FieldOutcome::NewField => 0,
        FieldOutcome::InsufficientEvidence => 1,
        FieldOutcome::Worse | FieldOutcome::VanishedField | FieldOutcome::VanishedLabels => 2,
    }
}

/// Tests whether the candidate is no worse than the margin allows, from the interval of a difference.
fn non_inferiority(metric: &str, interval: Option<Interval>, n: u64, margin: f64, min_n: u64) -> (FieldOutcome, String) {
    let points = |fraction: f64| format!("{:+.1}", 100.0 * fraction);
    let Some(interval) = interval else {
        return (FieldOutcome::InsufficientEvidence, format!("{metric} is undefined on {n} common test examples"));
    };
    let limit = -margin;
    let bounds = format!("{} to {} points", points(interval.low), points(interval.high));
    if interval.high < limit {
        return (FieldOutcome::Worse, format!("worse: the whole interval, {bounds}, is below {} points", points(limit)));
    }
    if n < min_n {
        return (FieldOutcome::InsufficientEvidence, format!("{n} common test examples, and the gate needs {min_n}"));
    }
    if interval.low < limit {
        return (FieldOutcome::Worse, format!("may be worse: the lower bound of {bounds} is below {} points", points(limit)));
    }
    (FieldOutcome::Passed, format!("not worse: the lower bound of {bounds} is at least {} points", points(limit)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paired::bootstrap::Resampling;
    use crate::paired::example::{PairedAnswer, PairedExample};
    use crate::paired::statistics::compare;

    fn labels(names: &[&str]) -> Vec<Label> {
        names.iter().map(|name| Some((*name).to_owned())).collect()
    }

    /// A comparison of `n` examples of class `a`: the baseline errs on the first `baseline_errors`, the candidate on the last
    /// `candidate_errors`.
    fn comparison(n: usize, baseline_errors: usize, candidate_errors: usize) -> PairedComparison {
        let answer = |wrong: bool| PairedAnswer { predicted: Some(if wrong { "b" } else { "a" }.to_owned()), answered: true };
        let examples: Vec<PairedExample> = (0..n)
            .map(|number| PairedExample {
                gold: Some("a".to_owned()),
                baseline: answer(number < baseline_errors),
                candidate: answer(number >= n - candidate_errors),
                group: None,
            })
            .collect();
        compare(&examples, Resampling::default())
    }

    fn gate(comparison: &PairedComparison, rules: &GateRules) -> (GateDecision, FieldOutcome) {
        let known = labels(&["a", "b"]);
        let input = GateInput { field: "law", baseline_labels: Some(&known), candidate_labels: Some(&known), comparison: Some(comparison) };
        let result = decide(&[input], rules);
        (result.decision, result.fields[0].outcome)
    }

    #[test]
    fn a_candidate_within_the_margin_passes_and_a_worse_one_is_refused() {
        let rules = GateRules::default();
        assert_eq!(gate(&comparison(400, 20, 10), &rules), (GateDecision::Passed, FieldOutcome::Passed));
        assert_eq!(gate(&comparison(400, 4, 40), &rules), (GateDecision::Refused, FieldOutcome::Worse));
        // the difference is -1 point, but the lower bound is below -2
        assert_eq!(gate(&comparison(400, 4, 8), &rules).1, FieldOutcome::Worse);
        let wide = GateRules { field_margins: BTreeMap::from([("law".to_owned(), 0.05)]), ..rules };
        assert_eq!(gate(&comparison(400, 4, 8), &wide).1, FieldOutcome::Passed);
    }

    #[test]
    fn few_examples_show_that_a_candidate_is_worse_but_never_that_it_is_not() {
        let rules = GateRules::default();
        assert_eq!(gate(&comparison(67, 5, 5), &rules), (GateDecision::InsufficientEvidence, FieldOutcome::InsufficientEvidence));
        assert_eq!(gate(&comparison(67, 0, 0), &rules).0, GateDecision::InsufficientEvidence);
        assert_eq!(gate(&comparison(67, 2, 30), &rules), (GateDecision::Refused, FieldOutcome::Worse));
    }

    #[test]
    fn fields_and_labels_that_only_one_side_has_follow_their_rules() {
        let (both, fewer) = (labels(&["a", "b"]), labels(&["b"]));
        let compared = comparison(400, 20, 10);
        let input = |baseline, candidate| GateInput {
            field: "law",
            baseline_labels: baseline,
            candidate_labels: candidate,
            comparison: Some(&compared),
        };
        let result = |input: GateInput<'_>| {
            let result = decide(&[input], &GateRules::default());
            (result.decision, result.fields[0].outcome)
        };
        assert_eq!(result(input(None, Some(&both))), (GateDecision::InsufficientEvidence, FieldOutcome::NewField));
        assert_eq!(result(input(Some(&both), None)), (GateDecision::Refused, FieldOutcome::VanishedField));
        // `a` occurs: the candidate cannot predict it any more
        assert_eq!(result(input(Some(&both), Some(&fewer))), (GateDecision::Refused, FieldOutcome::VanishedLabels));
        // `c` does not occur any more, for example because it was renamed: nothing is lost
        let renamed = labels(&["a", "b", "c"]);
        assert_eq!(result(input(Some(&renamed), Some(&both))), (GateDecision::Passed, FieldOutcome::Passed));
        let added = decide(&[input(Some(&both), Some(&renamed))], &GateRules::default());
        assert_eq!((added.decision, added.fields[0].new_labels.len()), (GateDecision::Passed, 1));
        assert_eq!(decide(&[], &GateRules::default()).decision, GateDecision::InsufficientEvidence);
    }

    /// 400 examples that both predict correctly: the baseline answers the first `baseline`, the candidate the last `candidate`, whose first
    /// `wrong` answers are errors.
    fn answered(baseline: usize, candidate: usize, wrong: usize) -> PairedComparison {
        let answer = |answered: bool, wrong: bool| PairedAnswer { predicted: Some(if wrong { "b" } else { "a" }.to_owned()), answered };
        let examples: Vec<PairedExample> = (0..400)
            .map(|number| PairedExample {
                gold: Some("a".to_owned()),
                baseline: answer(number < baseline, false),
                candidate: answer(number >= 400 - candidate, (400 - candidate..400 - candidate + wrong).contains(&number)),
                group: None,
            })
            .collect();
        compare(&examples, Resampling::default())
    }

    fn reason(comparison: &PairedComparison, rules: &GateRules) -> (FieldOutcome, String) {
        let known = labels(&["a", "b"]);
        let input = GateInput { field: "law", baseline_labels: Some(&known), candidate_labels: Some(&known), comparison: Some(comparison) };
        let field = decide(&[input], rules).fields.remove(0);
        (field.outcome, field.reason)
    }

    #[test]
    fn fewer_or_worse_answers_are_refused_only_with_a_coverage_margin() {
        let (off, on) = (GateRules::default(), GateRules { coverage_margin: Some(0.05), ..GateRules::default() });
        // accuracy is equal, coverage falls from 400 to 200 of 400
        let fewer = answered(400, 200, 0);
        assert_eq!(reason(&fewer, &off).0, FieldOutcome::Passed);
        let (outcome, why) = reason(&fewer, &on);
        assert!(outcome == FieldOutcome::Worse && why.starts_with("coverage: worse: the whole interval"), "{why}");
        // no answers at all: there is no selective accuracy to compare, the coverage decides
        let (outcome, why) = reason(&answered(200, 0, 0), &on);
        assert!(outcome == FieldOutcome::Worse && why.starts_with("coverage: worse") && !why.contains("selective"), "{why}");
        // more answers pass, unless they are worse: 4 errors are within the margin of accuracy, 12 of 40 answers are not
        assert_eq!(reason(&answered(200, 400, 0), &on).0, FieldOutcome::Passed);
        let wide = GateRules { margin: 0.1, ..on.clone() };
        let (outcome, why) = reason(&answered(40, 40, 12), &wide);
        assert!(outcome == FieldOutcome::Worse && why.starts_with("selective accuracy: worse"), "{why}");
        assert_eq!(reason(&answered(40, 40, 12), &GateRules { margin: 0.1, ..off }).0, FieldOutcome::Passed);
        // a baseline without answers has none to lose
        assert_eq!(reason(&answered(0, 40, 0), &on).0, FieldOutcome::Passed);
    }

    #[test]
    fn the_gate_reports_what_each_side_answers_and_keeps_old_results_readable() {
        let known = labels(&["a"]);
        let compared = answered(300, 200, 0);
        let input = GateInput { field: "law", baseline_labels: Some(&known), candidate_labels: Some(&known), comparison: Some(&compared) };
        let field = decide(&[input], &GateRules::default()).fields.remove(0);
        let coverage = field.coverage.clone().unwrap();
        assert_eq!((coverage.baseline, coverage.candidate, coverage.difference), (Some(0.75), Some(0.5), Some(-0.25)));
        assert_eq!(field.selective_accuracy.as_ref().unwrap().candidate, Some(1.0));
        let mut old = serde_json::to_value(&field).unwrap();
        old.as_object_mut().unwrap().retain(|key, _| key != "coverage" && key != "selective_accuracy");
        let read: FieldGate = serde_json::from_value(old).unwrap();
        assert_eq!((read.coverage, read.reason), (None, field.reason));
        // the rule is not written while it is off
        assert!(serde_json::to_value(GateRules::default()).unwrap().get("coverage_margin").is_none());
    }
}
