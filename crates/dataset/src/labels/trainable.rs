//! Decides which fields and labels of a snapshot can be trained.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::labels::counts::FieldCounts;
use crate::labels::label::Label;
use crate::selection::{ExcludedField, ExclusionReason, Selection};

/// A label with fewer groups of examples than the minimum support: near-duplicates count once.
#[derive(Debug, Serialize)]
pub(crate) struct ExcludedLabel {
    label: Label,
    count: i64,
    groups: i64,
    reason: &'static str,
}

/// Labels of a trainable field.
#[derive(Debug, Serialize)]
pub(crate) struct TrainableField {
    pub(crate) labels: Vec<Label>,
    pub(crate) excluded: Vec<ExcludedLabel>,
}

/// Content of the file `labels.json`.
#[derive(Debug, Serialize)]
pub(crate) struct Labels {
    v: u32,
    pub(crate) fields: BTreeMap<String, TrainableField>,
    pub(crate) left_out: Vec<ExcludedField>,
}

impl Labels {
    /// Applies the minimum support and the two-label minimum to every selected field.
    pub(crate) fn from_counts(selection: &Selection, counts: &BTreeMap<String, FieldCounts>) -> Self {
        let mut fields = BTreeMap::new();
        let mut left_out = Vec::new();
        for field in &selection.fields {
            let trainable = match selection.untrainable.iter().find(|untrainable| untrainable.field == *field) {
                Some(untrainable) => Err(untrainable.reason),
                None => counts.get(field).map_or(Err(ExclusionReason::NoValues), |counts| trainable_field(counts, selection.min_support)),
            };
            match trainable {
                Ok(trainable) => drop(fields.insert(field.clone(), trainable)),
                Err(reason) => left_out.push(ExcludedField { field: field.clone(), reason }),
            }
        }
        Self { v: 1, fields, left_out }
    }
}

fn trainable_field(counts: &FieldCounts, min_support: u32) -> Result<TrainableField, ExclusionReason> {
    let groups = |label: &Label| counts.label_groups.get(label).copied().unwrap_or_default();
    let (kept, rare): (Vec<_>, Vec<_>) = counts.labels.iter().partition(|(label, _)| groups(label) >= i64::from(min_support));
    let in_train = kept.iter().filter(|(_, count)| count.train > 0).count();
    if in_train < 2 {
        let enough_examples = counts.labels.values().filter(|count| count.total() >= i64::from(min_support)).count();
        return Err(match (kept.len(), enough_examples) {
            (2.., _) => ExclusionReason::NotInTrain,
            (_, 2..) => ExclusionReason::Copies,
            _ => ExclusionReason::OneClass,
        });
    }
    let excluded = rare
        .into_iter()
        .map(|(label, count)| ExcludedLabel { label: label.clone(), count: count.total(), groups: groups(label), reason: "min_support" })
        .collect();
    Ok(TrainableField { labels: kept.into_iter().map(|(label, _)| label.clone()).collect(), excluded })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::split_counts::SplitCounts;

    fn field_counts(labels: &[(Option<&str>, [i64; 3])]) -> FieldCounts {
        let mut counts = FieldCounts::default();
        for (label, [train, validation, test]) in labels {
            let label = label.map_or(Label::NoValue, |value| Label::Value(value.to_owned()));
            counts.label_groups.insert(label.clone(), train + validation + test);
            counts.labels.insert(label, SplitCounts { train: *train, validation: *validation, test: *test });
        }
        counts
    }

    #[test]
    fn rare_labels_are_excluded_and_no_value_is_sorted_last() {
        let counts = field_counts(&[(None, [3, 0, 0]), (Some("Utah"), [1, 0, 0]), (Some("b"), [1, 1, 0]), (Some("B"), [2, 0, 0])]);
        let field = trainable_field(&counts, 2).unwrap();
        assert_eq!(
            serde_json::to_string(&field).unwrap(),
            r#"{"labels":["B","b",null],"excluded":[{"label":"Utah","count":1,"groups":1,"reason":"min_support"}]}"#
        );
    }

    #[test]
    fn a_label_without_train_examples_does_not_make_a_field_trainable() {
        let counts = field_counts(&[(Some("A"), [9, 1, 1]), (Some("B"), [0, 3, 0])]);
        assert_eq!(trainable_field(&counts, 2).unwrap_err(), ExclusionReason::NotInTrain);
    }

    #[test]
    fn copies_of_one_text_do_not_support_a_label() {
        let mut counts = field_counts(&[(Some("A"), [9, 0, 0]), (Some("B"), [6, 0, 0]), (Some("C"), [2, 0, 0])]);
        counts.label_groups.insert(Label::Value("B".into()), 1);
        let field = trainable_field(&counts, 2).unwrap();
        assert_eq!(field.labels, [Label::Value("A".into()), Label::Value("C".into())]);
        assert_eq!((field.excluded[0].count, field.excluded[0].groups), (6, 1));
        counts.label_groups.insert(Label::Value("C".into()), 1);
        assert_eq!(trainable_field(&counts, 2).unwrap_err(), ExclusionReason::Copies);
    }

    #[test]
    fn one_value_and_no_value_are_two_trainable_labels() {
        let counts = field_counts(&[(Some("A"), [2, 0, 0]), (None, [2, 0, 0])]);
        assert_eq!(trainable_field(&counts, 2).unwrap().labels, [Label::Value("A".into()), Label::NoValue]);
    }

    #[test]
    fn a_field_whose_labels_are_below_the_minimum_support_is_excluded() {
        let counts = field_counts(&[(Some("A"), [1, 0, 0]), (Some("B"), [1, 0, 0])]);
        assert_eq!(trainable_field(&counts, 2).unwrap_err(), ExclusionReason::OneClass);
        assert!(trainable_field(&counts, 1).is_ok());
    }
}
