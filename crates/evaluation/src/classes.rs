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

/// A confusion matrix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Confusion {
    /// Classes that occur as an accepted or predicted value, sorted, with `∅` last.
    pub labels: Vec<Label>,
    /// `counts[i][j]`: number of examples of class `labels[i]` predicted as `labels[j]`.
    pub counts: Vec<Vec<u64>>,
}

/// Fraction of correct predictions. Higher is better.
#[must_use]
pub fn accuracy(examples: &[ScoredExample]) -> Option<f64> {
    ratio(count_correct(examples), examples.len() as u64)
}

fn count_correct(examples: &[ScoredExample]) -> u64 {
    examples.iter().filter(|example| example.is_correct()).count() as u64
}

/// The confusion matrix of all occurring classes.
#[must_use]
pub fn confusion(examples: &[ScoredExample]) -> Confusion {
    let mut labels: Vec<Label> = examples.iter().flat_map(|example| [example.gold.clone(), example.predicted.clone()]).collect();
    labels.sort_by(label_order);
    labels.dedup();

    let mut counts = vec![vec![0; labels.len()]; labels.len()];
    for example in examples {
        if let (Some(row), Some(column)) = (position(&labels, &example.gold), position(&labels, &example.predicted)) {
            counts[row][column] += 1;
        }
    }
    Confusion { labels, counts }
}

fn position(labels: &[Label], label: &Label) -> Option<usize> {
    labels.binary_search_by(|other| label_order(other, label)).ok()
}

/// Precision, recall, F1 and support per class, in the order of the confusion matrix.
#[must_use]
pub fn class_reports(confusion: &Confusion) -> Vec<ClassReport> {
    confusion
        .labels
        .iter()
        .enumerate()
        .map(|(class, label)| {
            let true_positives = confusion.counts[class][class];
            let support: u64 = confusion.counts[class].iter().sum();
            let predicted: u64 = confusion.counts.iter().map(|row| row[class]).sum();
            ClassReport {
                label: label.clone(),
                precision: ratio(true_positives, predicted).unwrap_or(0.0),
                recall: ratio(true_positives, support).unwrap_or(0.0),
                f1: ratio(2 * true_positives, support + predicted).unwrap_or(0.0),
                support,
            }
        })
        .collect()
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

    #[test]
    fn accuracy_is_the_fraction_of_correct_predictions() {
        assert_eq!(accuracy(&examples()), Some(4.0 / 6.0));
        assert_eq!(accuracy(&[]), None);
    }

    #[test]
    fn confusion_rows_are_gold_labels_with_no_value_last() {
        let confusion = confusion(&examples());
        assert_eq!(confusion.labels, vec![Some("a".into()), Some("b".into()), Some("c".into()), None]);
        assert_eq!(confusion.counts, vec![vec![2, 1, 0, 0], vec![0, 1, 1, 0], vec![0, 0, 0, 0], vec![0, 0, 0, 1]]);
    }

    #[test]
    fn per_class_metrics_match_hand_computed_values() {
        let classes = class_reports(&confusion(&examples()));
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
        let classes = class_reports(&confusion(&examples()));
        assert_eq!(macro_f1(&classes), Some((0.8 + 0.5 + 0.0 + 1.0) / 4.0));
        assert_eq!(weighted_f1(&classes), Some((0.8 * 3.0 + 0.5 * 2.0 + 1.0) / 6.0));
        assert_eq!((macro_f1(&[]), weighted_f1(&[])), (None, None));
    }
}
