//! The labels of a file so far, so that the check for similar labels need not look at every value again.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, BuildHasherDefault, Hasher, RandomState};

use crate::fields::FieldKind;
use crate::import::staging::staged_value::StagedValue;

/// Maximum number of labels that are remembered. All later ones count as new.
const MAX_LABELS: usize = 100_000;

/// Hashes of fields and their labels.
#[derive(Default)]
pub(super) struct SeenLabels {
    hashes: HashSet<u64, BuildHasherDefault<AsIs>>,
    hasher: RandomState,
}

/// The hash of a hash is the hash itself.
#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl SeenLabels {
    /// Whether a value may have a label that no value before has, and remembers its labels. A value that is not categorical may have one,
    /// because its field may be categorical nevertheless.
    pub(super) fn may_have_new(&mut self, field: &str, value: &StagedValue<'_>) -> bool {
        if value.kind != Some(FieldKind::Categorical) {
            return !value.value.is_empty();
        }
        let mut any = false;
        for label in value.value.iter() {
            let hash = self.hasher.hash_one((field, label));
            any |= if self.hashes.len() < MAX_LABELS { self.hashes.insert(hash) } else { !self.hashes.contains(&hash) };
        }
        any
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[test]
    fn only_the_first_value_with_a_label_may_have_a_new_one() {
        let value = |kind, labels: &[&str]| {
            let value: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
            StagedValue { kind: Some(kind), value: Cow::Owned(value), written: None }
        };
        let label = |labels: &[&str]| value(FieldKind::Categorical, labels);
        let mut seen = SeenLabels::default();
        assert!(seen.may_have_new("law", &label(&["Ohio", "Texas"])));
        assert!(!seen.may_have_new("law", &label(&["Texas"])) && seen.may_have_new("law", &label(&["Texas", "Maine"])));
        assert!(seen.may_have_new("seat", &label(&["Texas"])));
        assert!(!seen.may_have_new("law", &label(&[])));
        for _ in 0..2 {
            assert!(seen.may_have_new("law", &value(FieldKind::Text, &["Ohio"])));
        }
    }
}
