//! Whether the splits of a snapshot hold the same labels. Splits go by group and are kept for ever, so they cannot be made to:
//! what is told here is how far a measurement on them can be trusted.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::label::{FieldCounts, Label, Labels, PerSplit};
use crate::split::Split;

/// Labels that a warning names.
const NAMED_AT_MOST: usize = 10;

/// The rarest label of a split among those that are learned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Smallest {
    label: Label,
    examples: i64,
}

/// How the learned labels of one field fall into the splits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Stratification {
    /// By the name of the split; a label that is not there at all counts.
    smallest: BTreeMap<&'static str, Smallest>,
    /// Labels that train has and validation has not.
    missing_in_validation: Vec<Label>,
    /// Labels that train has and test has not: nothing is measured about them.
    missing_in_test: Vec<Label>,
    /// Labels that are measured and never shown.
    missing_in_train: Vec<Label>,
    /// The same in words.
    pub(crate) warnings: Vec<String>,
}

/// Looks at every field that can be trained.
pub(crate) fn stratify(counts: &BTreeMap<String, FieldCounts>, labels: &Labels) -> BTreeMap<String, Stratification> {
    let fields = labels.fields.iter().filter_map(|(field, trainable)| {
        let counts = &counts.get(field)?.labels;
        let of_label = |label: &Label| counts.get(label).copied().unwrap_or_default();
        Some((field.clone(), of_field(field, trainable.labels.iter().map(|label| (label, of_label(label))).collect())))
    });
    fields.collect()
}

fn of_field(field: &str, counts: Vec<(&Label, PerSplit)>) -> Stratification {
    let smallest = Split::ALL.into_iter().filter_map(|split| {
        let (label, count) = counts.iter().min_by_key(|(_, count)| count.of(split))?;
        Some((split.name(), Smallest { label: (*label).clone(), examples: count.of(split) }))
    });
    let missing = |present: Split, absent: Split| -> Vec<Label> {
        counts.iter().filter(|(_, count)| count.of(present) > 0 && count.of(absent) == 0).map(|(label, _)| (*label).clone()).collect()
    };
    let mut stratification = Stratification {
        smallest: smallest.collect(),
        missing_in_validation: missing(Split::Train, Split::Validation),
        missing_in_test: missing(Split::Train, Split::Test),
        missing_in_train: missing(Split::Test, Split::Train),
        warnings: Vec::new(),
    };
    let all = counts.len();
    for (labels, of, what) in [
        (&stratification.missing_in_test, "train", "has no example in test: nothing is measured about it"),
        (&stratification.missing_in_validation, "train", "has no example in validation: no choice considers it"),
        (&stratification.missing_in_train, "test", "has no example in train: it cannot be learned"),
    ] {
        if labels.is_empty() {
            continue;
        }
        let named = labels.iter().take(NAMED_AT_MOST).map(|label| label.in_words()).collect::<Vec<_>>().join(", ");
        let more = labels.len().saturating_sub(NAMED_AT_MOST);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        stratification.warnings.push(format!("{field}: {} of {all} labels of {of} {what} ({named}{more})", labels.len()));
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
        let count = |train, validation, test| PerSplit { train, validation, test };
        let found = of_field("law", vec![(&a, count(9, 2, 3)), (&b, count(4, 1, 0)), (&none, count(2, 0, 1))]);
        assert_eq!(found.smallest["test"], Smallest { label: b.clone(), examples: 0 });
        assert_eq!(found.smallest["train"], Smallest { label: none.clone(), examples: 2 });
        assert_eq!((&found.missing_in_test, &found.missing_in_validation), (&vec![b], &vec![none]));
        assert!(found.missing_in_train.is_empty());
        assert_eq!(found.warnings.len(), 2);
        assert_eq!(found.warnings[0], "law: 1 of 3 labels of train has no example in test: nothing is measured about it (B)");
    }
}
