//! Which labels and fields of a snapshot can be learned.
//!
//! `null` is the label of "no value": a real answer, counted like any other.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::selection::Selection;
use crate::split::Split;

/// A selected field that is exported but not trained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    pub field: String,
    pub reason: LeftOutReason,
}

/// Why a field is not trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftOutReason {
    /// It is not categorical.
    Kind,
    /// It holds several values at once.
    ManyValues,
    /// Nobody has reviewed it in these documents.
    NoValues,
    /// Fewer than two labels have enough examples, or fewer than two of them occur in train.
    OneClass,
}

impl LeftOutReason {
    /// The reason in words.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Kind => "it is not categorical",
            Self::ManyValues => "it holds several values at once",
            Self::NoValues => "nobody has reviewed it in these documents",
            Self::OneClass => "fewer than two of its labels have enough examples",
        }
    }
}

/// Examples per split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct PerSplit {
    pub(crate) train: i64,
    pub(crate) validation: i64,
    pub(crate) test: i64,
}

impl PerSplit {
    pub(crate) fn add(&mut self, split: Split, count: i64) {
        match split {
            Split::Train => self.train += count,
            Split::Validation => self.validation += count,
            Split::Test => self.test += count,
        }
    }

    pub(crate) const fn of(self, split: Split) -> i64 {
        match split {
            Split::Train => self.train,
            Split::Validation => self.validation,
            Split::Test => self.test,
        }
    }

    pub(crate) fn total(self) -> i64 {
        self.train + self.validation + self.test
    }
}

/// Order of labels everywhere: by code point, "no value" last.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Label {
    Value(String),
    NoValue,
}

impl Label {
    pub(crate) fn in_words(&self) -> &str {
        match self {
            Self::Value(value) => value,
            Self::NoValue => "no value",
        }
    }
}

impl Serialize for Label {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Value(value) => serializer.serialize_str(value),
            Self::NoValue => serializer.serialize_none(),
        }
    }
}

/// What was counted for one field.
#[derive(Debug, Default)]
pub(crate) struct FieldCounts {
    /// Examples in which the field was reviewed.
    pub(crate) reviewed: PerSplit,
    /// Examples with more than one value in a field that should hold one; they have no label.
    pub(crate) several_values: PerSplit,
    /// Empty for fields that are kept out of training by their definition, where every value may be another.
    pub(crate) labels: BTreeMap<Label, PerSplit>,
}

/// A label too rare to be learned.
#[derive(Debug, Serialize)]
pub(crate) struct ExcludedLabel {
    label: Label,
    count: i64,
    reason: &'static str,
}

/// Labels of a field that can be trained.
#[derive(Debug, Serialize)]
pub(crate) struct TrainableField {
    pub(crate) labels: Vec<Label>,
    pub(crate) excluded: Vec<ExcludedLabel>,
}

/// The file `labels.json`.
#[derive(Debug, Serialize)]
pub(crate) struct Labels {
    v: u32,
    pub(crate) fields: BTreeMap<String, TrainableField>,
    pub(crate) left_out: Vec<LeftOut>,
}

impl Labels {
    /// Applies the minimum support and the rule of two labels to every selected field.
    pub(crate) fn decide(selection: &Selection, counts: &BTreeMap<String, FieldCounts>) -> Self {
        let mut fields = BTreeMap::new();
        let mut left_out = Vec::new();
        for field in &selection.fields {
            let decision = match selection.untrainable.iter().find(|untrainable| untrainable.field == *field) {
                Some(untrainable) => Err(untrainable.reason),
                None => counts.get(field).map_or(Err(LeftOutReason::NoValues), |counts| decide(counts, selection.min_support)),
            };
            match decision {
                Ok(trainable) => drop(fields.insert(field.clone(), trainable)),
                Err(reason) => left_out.push(LeftOut { field: field.clone(), reason }),
            }
        }
        Self { v: 1, fields, left_out }
    }
}

fn decide(counts: &FieldCounts, min_support: u32) -> Result<TrainableField, LeftOutReason> {
    let (kept, rare): (Vec<_>, Vec<_>) = counts.labels.iter().partition(|(_, count)| count.total() >= i64::from(min_support));
    let in_train = kept.iter().filter(|(_, count)| count.train > 0).count();
    if in_train < 2 {
        return Err(LeftOutReason::OneClass);
    }
    let excluded = rare
        .into_iter()
        .map(|(label, count)| ExcludedLabel { label: label.clone(), count: count.total(), reason: "min_support" })
        .collect();
    Ok(TrainableField { labels: kept.into_iter().map(|(label, _)| label.clone()).collect(), excluded })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(labels: &[(Option<&str>, [i64; 3])]) -> FieldCounts {
        let mut counts = FieldCounts::default();
        for (label, [train, validation, test]) in labels {
            let label = label.map_or(Label::NoValue, |value| Label::Value(value.to_owned()));
            counts.labels.insert(label, PerSplit { train: *train, validation: *validation, test: *test });
        }
        counts
    }

    #[test]
    fn rare_labels_are_excluded_and_the_rest_is_sorted_with_no_value_last() {
        let counts = counted(&[(None, [3, 0, 0]), (Some("Utah"), [1, 0, 0]), (Some("b"), [1, 1, 0]), (Some("B"), [2, 0, 0])]);
        let field = decide(&counts, 2).unwrap();
        assert_eq!(
            serde_json::to_string(&field).unwrap(),
            r#"{"labels":["B","b",null],"excluded":[{"label":"Utah","count":1,"reason":"min_support"}]}"#
        );
    }

    #[test]
    fn a_second_label_that_train_never_shows_does_not_make_a_field_trainable() {
        let counts = counted(&[(Some("A"), [9, 1, 1]), (Some("B"), [0, 3, 0])]);
        assert_eq!(decide(&counts, 2).unwrap_err(), LeftOutReason::OneClass);
    }

    #[test]
    fn no_value_against_one_value_is_trainable() {
        let counts = counted(&[(Some("A"), [2, 0, 0]), (None, [2, 0, 0])]);
        assert_eq!(decide(&counts, 2).unwrap().labels, [Label::Value("A".into()), Label::NoValue]);
    }

    #[test]
    fn two_labels_below_the_support_leave_the_field_out() {
        let counts = counted(&[(Some("A"), [1, 0, 0]), (Some("B"), [1, 0, 0])]);
        assert_eq!(decide(&counts, 2).unwrap_err(), LeftOutReason::OneClass);
        assert!(decide(&counts, 1).is_ok());
    }
}
