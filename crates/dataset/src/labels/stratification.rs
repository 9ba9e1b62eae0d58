//! Stratification report: how the labels of each field are distributed over the splits.
//!
//! Splits are assigned by group and never change, so they cannot be stratified. The report shows how far measurements on them can be
//! trusted.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::labels::counts::FieldCounts;
use crate::labels::label::Label;
use crate::labels::split_counts::SplitCounts;
use crate::labels::trainable::Labels;
use crate::split::Split;

/// Maximum number of labels listed in a warning.
const MAX_LISTED_LABELS: usize = 10;

/// The trainable label with the fewest examples in a split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Smallest {
    label: Label,
    examples: i64,
}

/// Distribution of the trainable labels of one field over the splits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Stratification {
    /// By split name; labels without examples in the split are included.
    smallest: BTreeMap<&'static str, Smallest>,
    /// Labels with examples in train but none in validation.
    missing_in_validation: Vec<Label>,
    /// Labels with examples in train but none in test: they are never measured.
    missing_in_test: Vec<Label>,
    /// Labels with examples in test but none in train: they cannot be learned.
    missing_in_train: Vec<Label>,
    /// The missing labels as messages.
    pub(crate) warnings: Vec<String>,
}

/// Computes the report of every trainable field.
pub(crate) fn stratification(counts: &BTreeMap<String, FieldCounts>, labels: &Labels) -> BTreeMap<String, Stratification> {
    let fields = labels.fields.iter().filter_map(|(field, trainable)| {
        let counts = &counts.get(field)?.labels;
        let count = |label: &Label| counts.get(label).copied().unwrap_or_default();
        Some((field.clone(), field_stratification(field, trainable.labels.iter().map(|label| (label, count(label))).collect())))
    });
    fields.collect()
}

fn field_stratification(field: &str, counts: Vec<(&Label, SplitCounts)>) -> Stratification {
    let smallest = Split::ALL.into_iter().filter_map(|split| {
        let (label, count) = counts.iter().min_by_key(|(_, count)| count.get(split))?;
        Some((split.name(), Smallest { label: (*label).clone(), examples: count.get(split) }))
    });
    let missing = |present: Split, absent: Split| -> Vec<Label> {
        counts.iter().filter(|(_, count)| count.get(present) > 0 && count.get(absent) == 0).map(|(label, _)| (*label).clone()).collect()
    };
    let mut stratification = Stratification {
        smallest: smallest.collect(),
        missing_in_validation: missing(Split::Train, Split::Validation),
        missing_in_test: missing(Split::Train, Split::Test),
        missing_in_train: missing(Split::Test, Split::Train),
        warnings: Vec::new(),
    };
    let all = counts.len();
    let of_train = "training";
    for (labels, of, missing, one, several) in [
        (&stratification.missing_in_test, of_train, "test", "is not measured", "are not measured"),
        (
            &stratification.missing_in_validation,
            of_train,
            "validation",
            "does not influence model selection",
            "do not influence model selection",
        ),
        (&stratification.missing_in_train, "test", "training", "cannot be learned", "cannot be learned"),
    ] {
        if labels.is_empty() {
            continue;
        }
        let listed = labels.iter().take(MAX_LISTED_LABELS).map(|label| label.display_name()).collect::<Vec<_>>().join(", ");
        let more = labels.len().saturating_sub(MAX_LISTED_LABELS);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let (have, consequence) = if labels.len() == 1 { ("has", one) } else { ("have", several) };
        stratification
            .warnings
            .push(format!("{field}: {} of {all} {of} labels {have} no {missing} examples and {consequence}: {listed}{more}", labels.len()));
    }
    stratification
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_without_test_examples_are_named() {
        let value = |name: &str| Label::Value(name.to_owned());
        let (a, b, none) = (value("A"), value("B"), Label::NoValue);
        let count = |train, validation, test| SplitCounts { train, validation, test };
        let found = field_stratification("law", vec![(&a, count(9, 2, 3)), (&b, count(4, 1, 0)), (&none, count(2, 0, 1))]);
        assert_eq!(found.smallest["test"], Smallest { label: b.clone(), examples: 0 });
        assert_eq!(found.smallest["train"], Smallest { label: none.clone(), examples: 2 });
        assert_eq!((&found.missing_in_test, &found.missing_in_validation), (&vec![b], &vec![none]));
        assert!(found.missing_in_train.is_empty());
        assert_eq!(found.warnings.len(), 2);
        assert_eq!(found.warnings[0], "law: 1 of 3 training labels has no test examples and is not measured: B");
    }
}
