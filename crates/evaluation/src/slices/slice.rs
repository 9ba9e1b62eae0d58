//! The metrics of a slice, and all slices of a field.

use serde::{Deserialize, Serialize};

use crate::classes::{Cell, class_reports, macro_f1};
use crate::confusion_counts::ConfusionCounts;
use crate::coverage::selective;
use crate::example::{ScoredExample, count_groups, ratio};
use crate::interval::{Interval, wilson_of_proportion};
use crate::slices::attributes::OTHER_SLICES;

/// Name of the metric whose details are the slices of a field, a [`FieldSlices`].
pub const SLICES_METRIC: &str = "slices";
/// Maximum number of values of a dimension with a slice of their own; the rest is combined.
pub const MAX_SLICES_PER_DIMENSION: usize = 20;

/// The metrics of the examples of one field that share a value. `None` = undefined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// The value.
    pub value: String,
    /// Number of independent examples: a group of near-duplicates counts once.
    pub n: u64,
    /// Number of examples, copies included.
    pub examples: u64,
    /// Number of correct predictions.
    pub correct: u64,
    /// Fraction of correct predictions.
    pub accuracy: Option<f64>,
    /// Wilson 95 % interval of the accuracy, as of `n` examples.
    pub interval: Option<Interval>,
    /// Unweighted mean of the F1 scores of the classes that occur in the slice; `None` for predictions with too many classes.
    pub macro_f1: Option<f64>,
    /// Fraction answered at the threshold of the field; `None` for predictions without a threshold.
    #[serde(default)]
    pub coverage: Option<f64>,
    /// Accuracy of the answered examples.
    #[serde(default)]
    pub selective_accuracy: Option<f64>,
    /// Fraction with a predicted value; only for stored predictions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prediction_coverage: Option<f64>,
}

impl Slice {
    /// The metrics of these examples of a model that answers from `threshold` on; `None` = it answers nothing.
    pub(super) fn from_examples(value: &str, examples: &[&ScoredExample], threshold: Option<f64>) -> Self {
        let owned: Vec<ScoredExample> = examples.iter().map(|example| (*example).clone()).collect();
        let correct = owned.iter().filter(|example| example.is_correct()).count() as u64;
        let cell = |example| -> Cell<'_> {
            let ScoredExample { gold, predicted, .. }: &ScoredExample = example;
            Cell { gold: gold.as_deref(), predicted: predicted.as_deref(), examples: 1 }
        };
        let cells: Vec<Cell<'_>> = owned.iter().map(cell).collect();
        let answers = selective(&owned, threshold.unwrap_or(f64::INFINITY));
        Self {
            macro_f1: macro_f1(&class_reports(&cells)),
            coverage: answers.coverage,
            selective_accuracy: ratio(answers.correct, answers.answered),
            ..Self::new(value, count_groups(&owned), owned.len() as u64, correct)
        }
    }

    /// The metrics of stored predictions, which have no threshold.
    #[must_use]
    pub fn from_counts(value: &str, counts: &ConfusionCounts) -> Self {
        let (n, examples, correct) = counts.totals();
        Self { macro_f1: counts.macro_f1(), prediction_coverage: counts.prediction_coverage(), ..Self::new(value, n, examples, correct) }
    }

    fn new(value: &str, n: u64, examples: u64, correct: u64) -> Self {
        let accuracy = ratio(correct, examples);
        Self {
            value: value.to_owned(),
            n,
            examples,
            correct,
            accuracy,
            interval: accuracy.filter(|_| n > 0).map(|accuracy| wilson_of_proportion(accuracy, n)),
            macro_f1: None,
            coverage: None,
            selective_accuracy: None,
            prediction_coverage: None,
        }
    }
}

/// The slices of a field by one attribute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SliceDimension {
    /// Name of the attribute.
    pub dimension: String,
    /// Number of its values over all fields.
    pub values: u64,
    /// Number of values that are combined in the slice `(other)`: those with the fewest examples over all fields.
    pub combined: u64,
    /// The slices with examples of the field, the largest first and `(other)` last.
    pub slices: Vec<Slice>,
}

impl SliceDimension {
    /// Puts the slices into their order.
    #[must_use]
    pub fn new(dimension: String, values: u64, mut slices: Vec<Slice>) -> Self {
        let key = |slice: &Slice| (slice.value == OTHER_SLICES, std::cmp::Reverse(slice.examples), slice.value.clone());
        slices.sort_by_cached_key(key);
        Self { dimension, values, combined: values.saturating_sub(MAX_SLICES_PER_DIMENSION as u64), slices }
    }
}

/// The slices of a field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldSlices {
    /// The field; the metric names it, so its details do not.
    #[serde(skip)]
    pub field: String,
    /// One entry per attribute.
    pub dimensions: Vec<SliceDimension>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::testing::scored;

    #[test]
    fn the_metrics_of_a_slice_worked_by_hand() {
        let mut examples = [scored("a", "a", 0.9), scored("a", "b", 0.8), scored("b", "b", 0.4), scored("b", "b", 0.7)];
        examples[3].group = Some("copies".to_owned());
        examples[2].group = Some("copies".to_owned());
        let slice = Slice::from_examples("x", &examples.iter().collect::<Vec<_>>(), Some(0.7));
        assert_eq!((slice.n, slice.examples, slice.correct, slice.accuracy), (3, 4, 3, Some(0.75)));
        // a: precision 1, recall 1/2, F1 2/3; b: precision 2/3, recall 1, F1 4/5
        assert!((slice.macro_f1.unwrap() - (2.0 / 3.0 + 0.8) / 2.0).abs() < 1e-12);
        // 0.9, 0.8 and 0.7 are answered, of which 0.8 is wrong
        assert_eq!((slice.coverage, slice.selective_accuracy), (Some(0.75), Some(2.0 / 3.0)));
        assert_eq!(slice.interval, Some(wilson_of_proportion(0.75, 3)));
        let unanswered = Slice::from_examples("x", &examples.iter().collect::<Vec<_>>(), None);
        assert_eq!((unanswered.coverage, unanswered.selective_accuracy), (Some(0.0), None));
    }

    #[test]
    fn counts_give_the_same_metrics_as_examples() {
        let label = |text: &str| Some(text.to_owned());
        let mut counts = ConfusionCounts::default();
        counts.add(label("a"), label("a"), 1, 1);
        counts.add(label("a"), label("b"), 1, 1);
        counts.add(label("b"), label("b"), 2, 1);
        counts.add(label("b"), None, 1, 1);
        let slice = Slice::from_counts("x", &counts);
        let examples = [scored("a", "a", 1.0), scored("a", "b", 1.0), scored("b", "b", 1.0), scored("b", "b", 1.0), scored("b", "-", 1.0)];
        let expected = Slice::from_examples("x", &examples.iter().collect::<Vec<_>>(), None);
        assert_eq!((slice.n, slice.examples, slice.correct), (4, 5, 3));
        assert_eq!((slice.accuracy, slice.macro_f1), (expected.accuracy, expected.macro_f1));
        assert_eq!((slice.coverage, slice.prediction_coverage), (None, Some(0.8)));
    }

    #[test]
    fn the_combined_slice_comes_last() {
        let slice = |value: &str, examples| Slice::new(value, examples, examples, 0);
        let dimension =
            SliceDimension::new("source".to_owned(), 25, vec![slice("(other)", 9), slice("b", 2), slice("c", 3), slice("a", 2)]);
        let order: Vec<&str> = dimension.slices.iter().map(|slice| slice.value.as_str()).collect();
        assert_eq!((order, dimension.combined), (vec!["c", "a", "b", "(other)"], 5));
    }
}
