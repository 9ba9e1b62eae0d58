//! Differences between the metrics of two models on the same examples.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::classes::{distinct_labels, position};
use crate::example::{Label, ratio};
use crate::interval::Interval;
use crate::paired::bootstrap::{Resampling, percentile_intervals};
use crate::paired::confusion::{ConfusionDifference, confusion_differences};
use crate::paired::example::PairedExample;
use crate::paired::mcnemar::mcnemar_exact;

/// A metric of both models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MetricDifference {
    /// `accuracy`, `macro_f1`, `weighted_f1`, `coverage` or `selective_accuracy`.
    pub metric: String,
    /// Value of the baseline; null = undefined.
    pub baseline: Option<f64>,
    /// Value of the candidate; null = undefined.
    pub candidate: Option<f64>,
    /// Candidate minus baseline; null if either is undefined.
    pub difference: Option<f64>,
    /// 95 % interval of the difference by the paired bootstrap.
    pub interval: Option<Interval>,
}

/// F1 of one class for both models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ClassDifference {
    /// The class; null is "no value".
    pub label: Label,
    /// Number of examples whose accepted value is this class.
    pub support: u64,
    /// F1 of the baseline.
    pub baseline_f1: f64,
    /// F1 of the candidate.
    pub candidate_f1: f64,
    /// Recall of the baseline.
    pub baseline_recall: f64,
    /// Recall of the candidate.
    pub candidate_recall: f64,
    /// F1 of the candidate minus that of the baseline.
    #[serde(default)]
    pub f1_difference: f64,
    /// Recall of the candidate minus that of the baseline.
    #[serde(default)]
    pub recall_difference: f64,
}

/// Result of a paired comparison on one field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PairedComparison {
    /// Number of independent examples: a group of near-duplicates counts once.
    pub n: u64,
    /// Number of compared examples, copies included.
    pub examples: u64,
    /// Groups that the candidate predicts better than the baseline.
    pub wins: u64,
    /// Groups that the baseline predicts better than the candidate.
    pub losses: u64,
    /// Groups that both predict equally well.
    pub ties: u64,
    /// Two-sided p-value of the exact McNemar test on wins and losses.
    pub p_value: f64,
    /// All metrics, accuracy first.
    pub metrics: Vec<MetricDifference>,
    /// All classes that occur, by text, with "no value" last.
    pub classes: Vec<ClassDifference>,
    /// The first 200 cells in which the confusion matrices differ, the largest difference first.
    pub confusion: Vec<ConfusionDifference>,
    /// Number of cells in which the confusion matrices differ.
    #[serde(default)]
    pub differing_cells: usize,
}

impl PairedComparison {
    /// The difference of a metric.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<&MetricDifference> {
        self.metrics.iter().find(|metric| metric.metric == name)
    }
}

/// Names of the compared metrics, in the order of [`Tally::metrics`].
const METRICS: [&str; 5] = ["accuracy", "macro_f1", "weighted_f1", "coverage", "selective_accuracy"];

/// Compares two models on the same examples.
///
/// Wins and losses count groups of near-duplicates: a group is won if more of its examples are right for the candidate only than for the
/// baseline only. Intervals are those of the paired bootstrap over groups. Without an example, all metrics are undefined.
#[must_use]
pub fn compare(examples: &[PairedExample], resampling: Resampling) -> PairedComparison {
    let labels = occurring_labels(examples);
    let table = PatternTable::new(examples, &labels);
    let groups = group_patterns(examples, &table.pattern_of_example);
    let (wins, losses) = count_wins(&groups, &table.patterns);

    let mut all = vec![0; table.patterns.len()];
    table.pattern_of_example.iter().for_each(|pattern| all[*pattern] += 1);
    let (baseline, candidate) = (Tally::new(&table, &all, Side::Baseline), Tally::new(&table, &all, Side::Candidate));
    let difference = |baseline: &Tally, candidate: &Tally| -> Vec<Option<f64>> {
        candidate.metrics().into_iter().zip(baseline.metrics()).map(|(candidate, baseline)| Some(candidate? - baseline?)).collect()
    };
    let of_resample =
        |counts: &[u64]| difference(&Tally::new(&table, counts, Side::Baseline), &Tally::new(&table, counts, Side::Candidate));
    let mut intervals = percentile_intervals(&groups, table.patterns.len(), of_resample, resampling);
    intervals.resize(METRICS.len(), None);

    let (confusion, differing_cells) = confusion_differences(examples);
    let metrics = METRICS.iter().zip(baseline.metrics()).zip(candidate.metrics()).zip(intervals);
    let metrics = metrics.map(|(((metric, baseline), candidate), interval)| {
        let difference = candidate.zip(baseline).map(|(candidate, baseline)| candidate - baseline);
        MetricDifference { metric: (*metric).to_owned(), baseline, candidate, difference, interval: difference.and(interval) }
    });
    PairedComparison {
        n: groups.len() as u64,
        examples: examples.len() as u64,
        wins,
        losses,
        ties: groups.len() as u64 - wins - losses,
        p_value: mcnemar_exact(wins, losses),
        metrics: metrics.collect(),
        classes: class_differences(&labels, &baseline, &candidate),
        confusion,
        differing_cells,
    }
}

#[derive(Clone, Copy)]
enum Side {
    Baseline,
    Candidate,
}

/// What decides all metrics of an example: indexes of its classes, and who answers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Pattern {
    gold: usize,
    baseline: (usize, bool),
    candidate: (usize, bool),
}

impl Pattern {
    fn answer(&self, side: Side) -> (usize, bool) {
        match side {
            Side::Baseline => self.baseline,
            Side::Candidate => self.candidate,
        }
    }

    /// 1 if only the candidate is right, -1 if only the baseline is.
    fn gain(&self) -> i64 {
        i64::from(self.candidate.0 == self.gold) - i64::from(self.baseline.0 == self.gold)
    }
}

/// The distinct patterns of the examples.
struct PatternTable {
    patterns: Vec<Pattern>,
    pattern_of_example: Vec<usize>,
    classes: usize,
}

impl PatternTable {
    fn new(examples: &[PairedExample], labels: &[Option<&str>]) -> Self {
        let class = |label: &Label| position(labels, label.as_deref()).expect("the labels are those of the examples");
        let pattern = |example: &PairedExample| Pattern {
            gold: class(&example.gold),
            baseline: (class(&example.baseline.predicted), example.baseline.answered),
            candidate: (class(&example.candidate.predicted), example.candidate.answered),
        };
        let of_examples: Vec<Pattern> = examples.iter().map(pattern).collect();
        let mut patterns = of_examples.clone();
        patterns.sort_unstable();
        patterns.dedup();
        let position = |pattern: &Pattern| patterns.binary_search(pattern).expect("the table holds every pattern");
        let pattern_of_example = of_examples.iter().map(position).collect();
        Self { patterns, pattern_of_example, classes: labels.len() }
    }
}

/// The classes that occur, by text, with `∅` last.
fn occurring_labels(examples: &[PairedExample]) -> Vec<Option<&str>> {
    let labels = examples.iter().flat_map(|example| [&example.gold, &example.baseline.predicted, &example.candidate.predicted]);
    distinct_labels(labels.map(Option::as_deref))
}

/// The patterns of each group, groups in the order of their first example.
fn group_patterns(examples: &[PairedExample], pattern_of_example: &[usize]) -> Vec<Vec<usize>> {
    let mut positions: BTreeMap<&str, usize> = BTreeMap::new();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (example, pattern) in examples.iter().zip(pattern_of_example) {
        match &example.group {
            Some(group) => {
                let position = *positions.entry(group).or_insert(groups.len());
                if position == groups.len() {
                    groups.push(Vec::new());
                }
                groups[position].push(*pattern);
            }
            None => groups.push(vec![*pattern]),
        }
    }
    groups
}

fn count_wins(groups: &[Vec<usize>], patterns: &[Pattern]) -> (u64, u64) {
    let gain = |group: &Vec<usize>| group.iter().map(|pattern| patterns[*pattern].gain()).sum::<i64>();
    let count = |wanted: fn(i64) -> bool| groups.iter().filter(|group| wanted(gain(group))).count() as u64;
    (count(|gain| gain > 0), count(|gain| gain < 0))
}

/// Counts of one model over all examples of a (re)sample.
struct Tally {
    examples: u64,
    correct: u64,
    answered: u64,
    answered_correct: u64,
    support: Vec<u64>,
    predicted: Vec<u64>,
    true_positives: Vec<u64>,
}

impl Tally {
    fn new(table: &PatternTable, counts: &[u64], side: Side) -> Self {
        let zeros = || vec![0; table.classes];
        let mut tally = Self {
            examples: 0,
            correct: 0,
            answered: 0,
            answered_correct: 0,
            support: zeros(),
            predicted: zeros(),
            true_positives: zeros(),
        };
        for (pattern, count) in table.patterns.iter().zip(counts) {
            let (predicted, answered) = pattern.answer(side);
            let correct = if predicted == pattern.gold { *count } else { 0 };
            tally.examples += count;
            tally.correct += correct;
            tally.support[pattern.gold] += count;
            tally.predicted[predicted] += count;
            tally.true_positives[predicted] += correct;
            if answered {
                tally.answered += count;
                tally.answered_correct += correct;
            }
        }
        tally
    }

    /// F1 of a class; `None` if it does not occur.
    fn f1(&self, class: usize) -> Option<f64> {
        ratio(2 * self.true_positives[class], self.support[class] + self.predicted[class])
    }

    /// The metrics in the order of [`METRICS`]. The macro average is over the classes that occur for this model, as in scikit-learn.
    fn metrics(&self) -> [Option<f64>; 5] {
        let (mut sum, mut occurring, mut weighted) = (0.0, 0_u64, 0.0);
        for class in 0..self.support.len() {
            if let Some(f1) = self.f1(class) {
                sum += f1;
                occurring += 1;
                weighted += f1 * self.support[class] as f64;
            }
        }
        [
            ratio(self.correct, self.examples),
            (occurring > 0).then(|| sum / occurring as f64),
            (self.examples > 0).then(|| weighted / self.examples as f64),
            ratio(self.answered, self.examples),
            ratio(self.answered_correct, self.answered),
        ]
    }
}

fn class_differences(labels: &[Option<&str>], baseline: &Tally, candidate: &Tally) -> Vec<ClassDifference> {
    let recall = |tally: &Tally, class: usize| ratio(tally.true_positives[class], tally.support[class]).unwrap_or(0.0);
    let difference = |(class, label): (usize, &Option<&str>)| {
        let (baseline_f1, candidate_f1) = (baseline.f1(class).unwrap_or(0.0), candidate.f1(class).unwrap_or(0.0));
        let (baseline_recall, candidate_recall) = (recall(baseline, class), recall(candidate, class));
        ClassDifference {
            label: label.map(ToOwned::to_owned),
            support: baseline.support[class],
            baseline_f1,
            candidate_f1,
            baseline_recall,
            candidate_recall,
            f1_difference: candidate_f1 - baseline_f1,
            recall_difference: candidate_recall - baseline_recall,
        }
    };
    labels.iter().enumerate().map(difference).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paired::example::PairedAnswer;

    fn label(text: &str) -> Label {
        (text != "-").then(|| text.to_owned())
    }

    fn paired(gold: &str, baseline: (&str, bool), candidate: (&str, bool)) -> PairedExample {
        let answer = |(predicted, answered)| PairedAnswer { predicted: label(predicted), answered };
        PairedExample { gold: label(gold), baseline: answer(baseline), candidate: answer(candidate), group: None }
    }

    fn examples() -> Vec<PairedExample> {
        vec![
            paired("a", ("a", true), ("a", true)),
            paired("a", ("b", false), ("a", true)),
            paired("b", ("b", true), ("a", true)),
            paired("b", ("a", false), ("b", false)),
            paired("-", ("-", true), ("-", false)),
        ]
    }

    #[test]
    fn metrics_of_both_sides_are_those_worked_by_hand() {
        let comparison = compare(&examples(), Resampling::default());
        assert_eq!((comparison.n, comparison.wins, comparison.losses, comparison.ties), (5, 2, 1, 2));
        assert_eq!(comparison.p_value, 1.0);
        let values = |name: &str| comparison.metric(name).map(|metric| (metric.baseline.unwrap(), metric.candidate.unwrap())).unwrap();
        assert_eq!(values("accuracy"), (0.6, 0.8));
        // baseline: a 1/2, b 1/2, ∅ 1; candidate: a 2*2/(2+3), b 2/3, ∅ 1
        let (baseline, candidate) = values("macro_f1");
        assert!((baseline - 2.0 / 3.0).abs() < 1e-12 && (candidate - (0.8 + 2.0 / 3.0 + 1.0) / 3.0).abs() < 1e-12);
        assert_eq!(values("coverage"), (0.6, 0.6));
        let (baseline, candidate) = values("selective_accuracy");
        assert!((baseline - 1.0).abs() < 1e-12 && (candidate - 2.0 / 3.0).abs() < 1e-12);
        let interval = comparison.metric("accuracy").unwrap().interval.unwrap();
        assert!(interval.low <= 0.2 && interval.high >= 0.2);
    }

    #[test]
    fn a_model_equals_itself() {
        let examples: Vec<PairedExample> =
            examples().into_iter().map(|example| PairedExample { candidate: example.baseline.clone(), ..example }).collect();
        let comparison = compare(&examples, Resampling::default());
        assert_eq!((comparison.wins, comparison.losses, comparison.p_value), (0, 0, 1.0));
        for metric in &comparison.metrics {
            assert_eq!(metric.difference, Some(0.0), "{}", metric.metric);
            assert_eq!(metric.interval, Some(Interval { low: 0.0, high: 0.0 }), "{}", metric.metric);
        }
        assert!(comparison.confusion.is_empty());
    }

    #[test]
    fn copies_are_one_win() {
        let mut examples = vec![paired("a", ("b", true), ("a", true)); 3];
        examples.iter_mut().for_each(|example| example.group = Some("g".into()));
        examples.push(paired("a", ("a", true), ("b", true)));
        let comparison = compare(&examples, Resampling::default());
        assert_eq!((comparison.n, comparison.examples, comparison.wins, comparison.losses), (2, 4, 1, 1));
    }

    #[test]
    fn nothing_compared_is_undefined() {
        let comparison = compare(&[], Resampling::default());
        assert_eq!((comparison.n, comparison.p_value), (0, 1.0));
        assert!(comparison.metrics.iter().all(|metric| metric.difference.is_none() && metric.interval.is_none()));
    }

    #[test]
    fn confusion_lists_the_cells_that_differ() {
        let comparison = compare(&examples(), Resampling::default());
        let cells: Vec<_> = comparison
            .confusion
            .iter()
            .map(|cell| (cell.gold.as_deref(), cell.predicted.as_deref(), cell.baseline, cell.candidate, cell.delta))
            .collect();
        assert_eq!(cells, [(Some("a"), Some("a"), 1, 2, 1), (Some("a"), Some("b"), 1, 0, -1)]);
        assert_eq!(comparison.differing_cells, 2);
        let recall: Vec<f64> = comparison.classes.iter().map(|class| class.recall_difference).collect();
        assert_eq!(recall, [0.5, 0.0, 0.0]);
        assert_eq!(comparison.classes.iter().map(|class| class.support).collect::<Vec<_>>(), [2, 2, 1]);
    }
}
