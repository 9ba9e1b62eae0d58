//! Accuracy, F1, per-class metrics and the confusion matrix.

use serde::{Deserialize, Serialize};

use crate::example::{Label, ScoredExample, label_order, ratio};

/// Metrics of one class. A ratio with the denominator 0 is 0, as with `zero_division=0` in scikit-learn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassReport {
    /// The class; `None` is `∅`.
    pub label: Label,
    /// True positives divided by predicted positives.
    pub precision: f64,
    /// True positives divided by support.
    pub recall: f64,
    /// Harmonic mean of precision and recall.
    pub f1: f64,
    /// Number of examples whose accepted value is this class.
    pub support: u64,
}

/// Maximum number of classes of a confusion matrix, whose size grows with the square of the classes.
pub const MAX_CONFUSION_CLASSES: usize = 500;

/// A confusion matrix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Confusion {
    /// Classes that occur as an accepted or predicted value, sorted, with `∅` last.
    pub labels: Vec<Label>,
    /// `counts[i][j]`: number of examples of class `labels[i]` predicted as `labels[j]`.
    pub counts: Vec<Vec<u64>>,
}

/// Number of examples with one accepted and one predicted class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell<'a> {
    /// The accepted value; `None` is `∅`.
    pub gold: Option<&'a str>,
    /// The predicted value; `None` is `∅`.
    pub predicted: Option<&'a str>,
    /// Number of examples.
    pub examples: u64,
}

impl<'a> From<&'a ScoredExample> for Cell<'a> {
    fn from(example: &'a ScoredExample) -> Self {
        Self { gold: example.gold.as_deref(), predicted: example.predicted.as_deref(), examples: 1 }
    }
}

/// Fraction of correct predictions. Higher is better.
#[must_use]
pub fn accuracy(examples: &[ScoredExample]) -> Option<f64> {
    ratio(examples.iter().filter(|example| example.is_correct()).count() as u64, examples.len() as u64)
}

/// The confusion matrix of all occurring classes; `None` above [`MAX_CONFUSION_CLASSES`] classes.
#[must_use]
pub fn confusion(cells: &[Cell<'_>]) -> Option<Confusion> {
    let labels = occurring_labels(cells);
    if labels.len() > MAX_CONFUSION_CLASSES {
        return None;
    }
    let mut counts = vec![vec![0; labels.len()]; labels.len()];
    for cell in cells {
        if let (Some(row), Some(column)) = (position(&labels, cell.gold), position(&labels, cell.predicted)) {
            counts[row][column] += cell.examples;
        }
    }
    Some(Confusion { labels: labels.into_iter().map(|label| label.map(ToOwned::to_owned)).collect(), counts })
}

/// The classes that occur as an accepted or predicted value, sorted, with `∅` last.
fn occurring_labels<'a>(cells: &[Cell<'a>]) -> Vec<Option<&'a str>> {
    distinct_labels(cells.iter().flat_map(|cell| [cell.gold, cell.predicted]))
}

/// Each class once, sorted, with `∅` last.
pub(crate) fn distinct_labels<'a>(labels: impl Iterator<Item = Option<&'a str>>) -> Vec<Option<&'a str>> {
    let mut labels: Vec<Option<&str>> = labels.collect();
    labels.sort_unstable_by(label_order);
    labels.dedup();
    labels
}

/// Index of a class in [`distinct_labels`].
pub(crate) fn position(labels: &[Option<&str>], label: Option<&str>) -> Option<usize> {
    labels.binary_search_by(|other| label_order(other, &label)).ok()
}

/// Counts of one class.
#[derive(Clone, Copy, Default)]
struct ClassCounts {
    support: u64,
    predicted: u64,
    true_positives: u64,
}

/// Precision, recall, F1 and support per class, sorted, with `∅` last.
#[must_use]
pub fn class_reports(cells: &[Cell<'_>]) -> Vec<ClassReport> {
    let labels = occurring_labels(cells);
    let mut counts = vec![ClassCounts::default(); labels.len()];
    for cell in cells {
        if let (Some(gold), Some(predicted)) = (position(&labels, cell.gold), position(&labels, cell.predicted)) {
            counts[gold].support += cell.examples;
            counts[predicted].predicted += cell.examples;
            counts[gold].true_positives += if gold == predicted { cell.examples } else { 0 };
        }
    }
    let report = |(label, counts): (Option<&str>, ClassCounts)| ClassReport {
        label: label.map(ToOwned::to_owned),
        precision: ratio(counts.true_positives, counts.predicted).unwrap_or(0.0),
        recall: ratio(counts.true_positives, counts.support).unwrap_or(0.0),
        f1: ratio(2 * counts.true_positives, counts.support + counts.predicted).unwrap_or(0.0),
        support: counts.support,
    };
    labels.into_iter().zip(counts).map(report).collect()
}

/// Unweighted mean of the F1 scores of all occurring classes. Higher is better.
#[must_use]
pub fn macro_f1(classes: &[ClassReport]) -> Option<f64> {
    (!classes.is_empty()).then(|| classes.iter().map(|class| class.f1).sum::<f64>() / classes.len() as f64)
}

/// Mean of the F1 scores, weighted by support. Higher is better.
#[must_use]
pub fn weighted_f1(classes: &[ClassReport]) -> Option<f64> {
    let support: u64 = classes.iter().map(|class| class.support).sum();
    let weighted: f64 = classes.iter().map(|class| class.f1 * class.support as f64).sum();
    (support > 0).then(|| weighted / support as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::testing::scored;

    /// gold a a a b b ∅, predicted a a b b c ∅
    fn examples() -> Vec<ScoredExample> {
        vec![
            scored("a", "a", 0.9),
            scored("a", "a", 0.8),
            scored("a", "b", 0.7),
            scored("b", "b", 0.6),
            scored("b", "c", 0.5),
            scored("-", "-", 0.4),
        ]
    }

    fn cells(examples: &[ScoredExample]) -> Vec<Cell<'_>> {
        examples.iter().map(Cell::from).collect()
    }

    #[test]
    fn many_classes_have_metrics_but_no_matrix() {
        let texts: Vec<String> = (0..=MAX_CONFUSION_CLASSES).map(|class| format!("{class:03}")).collect();
        let cells: Vec<Cell<'_>> = texts.iter().map(|text| Cell { gold: Some(text), predicted: Some(text), examples: 2 }).collect();
        assert_eq!(confusion(&cells), None);
        assert_eq!(confusion(&cells[1..]).unwrap().labels.len(), MAX_CONFUSION_CLASSES);
        let classes = class_reports(&cells);
        assert_eq!((classes.len(), classes[0].support, macro_f1(&classes)), (MAX_CONFUSION_CLASSES + 1, 2, Some(1.0)));
    }

    #[test]
    fn accuracy_is_the_fraction_of_correct_predictions() {
        assert_eq!(accuracy(&examples()), Some(4.0 / 6.0));
        assert_eq!(accuracy(&[]), None);
    }

    #[test]
    fn confusion_rows_are_gold_labels_with_no_value_last() {
        let confusion = confusion(&cells(&examples())).unwrap();
        assert_eq!(confusion.labels, vec![Some("a".into()), Some("b".into()), Some("c".into()), None]);
        assert_eq!(confusion.counts, vec![vec![2, 1, 0, 0], vec![0, 1, 1, 0], vec![0, 0, 0, 0], vec![0, 0, 0, 1]]);
    }

    #[test]
    fn per_class_metrics_match_hand_computed_values() {
        let classes = class_reports(&cells(&examples()));
        // a: precision 2/2, recall 2/3, f1 = 2*2/(3+2)
        assert_eq!((classes[0].precision, classes[0].recall, classes[0].f1), (1.0, 2.0 / 3.0, 0.8));
        // b: precision 1/2, recall 1/2
        assert_eq!((classes[1].precision, classes[1].recall, classes[1].f1), (0.5, 0.5, 0.5));
        // c: predicted once, never true
        assert_eq!((classes[2].precision, classes[2].recall, classes[2].f1, classes[2].support), (0.0, 0.0, 0.0, 0));
        assert_eq!((classes[3].f1, classes[3].support), (1.0, 1));
    }

    #[test]
    fn macro_f1_includes_classes_that_were_only_predicted() {
        let classes = class_reports(&cells(&examples()));
        assert_eq!(macro_f1(&classes), Some((0.8 + 0.5 + 0.0 + 1.0) / 4.0));
        assert_eq!(weighted_f1(&classes), Some((0.8 * 3.0 + 0.5 * 2.0 + 1.0) / 6.0));
        assert_eq!((macro_f1(&[]), weighted_f1(&[])), (None, None));
    }
}
