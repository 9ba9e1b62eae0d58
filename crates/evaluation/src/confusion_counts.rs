//! Counts of predictions by class, collected one by one in bounded memory.

use std::collections::HashMap;

use crate::{
    classes::{Cell, MAX_CONFUSION_CLASSES, class_reports, confusion, macro_f1, weighted_f1},
    example::{Label, ratio},
    interval::wilson_of_proportion,
    report::{Details, MetricRow},
};

/// Maximum total length of the labels that are kept. Labels of a table are short; free text has no metrics per class.
const MAX_LABEL_BYTES: usize = 16 << 20;

/// Totals of predictions, and their counts by accepted and predicted class as long as the classes are few.
#[derive(Debug, Default)]
pub struct ConfusionCounts {
    groups: u64,
    examples: u64,
    correct: u64,
    predicted: u64,
    by_class: ByClass,
}

#[derive(Debug, Default)]
struct ByClass {
    exceeded: bool,
    bytes: usize,
    labels: HashMap<Label, usize>,
    cells: HashMap<(usize, usize), u64>,
}

impl ConfusionCounts {
    /// Adds `examples` with one accepted and one predicted class. `groups` is the number of groups of near-duplicates among them that were
    /// not added before.
    pub fn add(&mut self, gold: Label, predicted: Label, examples: u64, groups: u64) {
        self.groups += groups;
        self.examples += examples;
        self.correct += if gold == predicted { examples } else { 0 };
        self.predicted += if predicted.is_some() { examples } else { 0 };
        self.by_class.add(gold, predicted, examples);
    }

    /// Adds the totals of another field. Classes of different fields are not comparable, so there are no metrics per class afterwards.
    pub fn add_totals(&mut self, other: &Self) {
        self.groups += other.groups;
        self.examples += other.examples;
        self.correct += other.correct;
        self.predicted += other.predicted;
        self.by_class.exceed();
    }

    /// Fraction of the examples with a predicted value; `None` without examples.
    #[must_use]
    pub fn prediction_coverage(&self) -> Option<f64> {
        ratio(self.predicted, self.examples)
    }

    /// Number of groups, of examples, and of correct predictions.
    pub(crate) const fn totals(&self) -> (u64, u64, u64) {
        (self.groups, self.examples, self.correct)
    }

    /// Unweighted mean of the F1 scores of all classes; `None` without examples, or with too many classes.
    pub(crate) fn macro_f1(&self) -> Option<f64> {
        (!self.by_class.exceeded).then(|| macro_f1(&class_reports(&self.by_class.cells()))).flatten()
    }

    /// The metrics that need no confidence. Those per class are left out if there are more than [`MAX_CONFUSION_CLASSES`] classes.
    #[must_use]
    pub fn rows(&self) -> Vec<MetricRow> {
        let row = |name, value, details| MetricRow { name, value, details };
        let accuracy = ratio(self.correct, self.examples);
        let accuracy_details =
            accuracy.map_or(Details::Undefined("no examples"), |accuracy| Details::Interval(wilson_of_proportion(accuracy, self.groups)));
        let mut rows = vec![
            row("n", Some(self.groups as f64), None),
            row("examples", Some(self.examples as f64), None),
            row("accuracy", accuracy, Some(accuracy_details)),
        ];
        let cells = self.by_class.cells();
        if let Some(confusion) = (!self.by_class.exceeded).then(|| confusion(&cells)).flatten() {
            let classes = class_reports(&cells);
            rows.push(row("macro_f1", macro_f1(&classes), None));
            rows.push(row("weighted_f1", weighted_f1(&classes), None));
            rows.push(row("per_class", None, Some(Details::Classes(classes))));
            rows.push(row("confusion", None, Some(Details::Confusion(confusion))));
        }
        rows
    }
}

impl ByClass {
    fn add(&mut self, gold: Label, predicted: Label, examples: u64) {
        if self.exceeded {
            return;
        }
        let cell = (self.index(gold), self.index(predicted));
        *self.cells.entry(cell).or_default() += examples;
        if self.labels.len() > MAX_CONFUSION_CLASSES || self.bytes > MAX_LABEL_BYTES {
            self.exceed();
        }
    }

    fn index(&mut self, label: Label) -> usize {
        let next = self.labels.len();
        let bytes = label.as_ref().map_or(0, String::len);
        let index = *self.labels.entry(label).or_insert(next);
        self.bytes += if index == next { bytes } else { 0 };
        index
    }

    fn exceed(&mut self) {
        *self = Self { exceeded: true, ..Self::default() };
    }

    fn cells(&self) -> Vec<Cell<'_>> {
        let mut labels = vec![None; self.labels.len()];
        for (label, index) in &self.labels {
            labels[*index] = label.as_deref();
        }
        let cell =
            |(&(gold, predicted), &examples): (&(usize, usize), &u64)| Cell { gold: labels[gold], predicted: labels[predicted], examples };
        self.cells.iter().map(cell).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ReportOptions, ScoredExample, example::testing::scored, report};

    fn label(class: &str) -> Label {
        (class != "-").then(|| class.to_owned())
    }

    #[test]
    fn rows_equal_those_of_a_report() {
        let pairs = [("a", "a"), ("a", "a"), ("a", "b"), ("b", "b"), ("b", "c"), ("-", "-"), ("é", "-"), ("a", "b")];
        let group = |number: usize| (number < 2).then(|| "copied".to_owned());
        let examples: Vec<ScoredExample> = pairs
            .iter()
            .enumerate()
            .map(|(number, (gold, predicted))| ScoredExample { group: group(number), ..scored(gold, predicted, 1.0) })
            .collect();
        let mut counts = ConfusionCounts::default();
        for (number, (gold, predicted)) in pairs.iter().enumerate() {
            counts.add(label(gold), label(predicted), 1, u64::from(number != 1));
        }
        let rows = counts.rows();
        let expected = report("f", &examples, &ReportOptions::default()).rows();
        for row in &rows {
            assert_eq!(expected.iter().find(|other| other.name == row.name), Some(row));
        }
        assert_eq!(rows.len(), 7);
        assert_eq!(counts.prediction_coverage(), Some(6.0 / 8.0));
    }

    #[test]
    fn many_classes_and_long_labels_leave_totals_only() {
        let mut counts = ConfusionCounts::default();
        for class in 0..=MAX_CONFUSION_CLASSES {
            counts.add(label(&class.to_string()), label(&class.to_string()), 1, 1);
        }
        assert!(counts.by_class.labels.is_empty());
        let names: Vec<&str> = counts.rows().iter().map(|row| row.name).collect();
        assert_eq!(names, ["n", "examples", "accuracy"]);
        let mut long = ConfusionCounts::default();
        long.add(Some("x".repeat(MAX_LABEL_BYTES)), Some("y".to_owned()), 1, 1);
        assert_eq!(long.rows().len(), 3);
    }

    #[test]
    fn totals_of_all_fields_have_no_classes() {
        let (mut all, mut field) = (ConfusionCounts::default(), ConfusionCounts::default());
        field.add(label("a"), label("-"), 3, 2);
        all.add_totals(&field);
        assert_eq!(all.rows().iter().map(|row| row.value).collect::<Vec<_>>(), [Some(2.0), Some(3.0), Some(0.0)]);
        assert_eq!(all.prediction_coverage(), Some(0.0));
    }
}
