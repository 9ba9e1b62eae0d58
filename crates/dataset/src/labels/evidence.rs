//! Warnings about the evidence in a snapshot: empty splits and large groups of near-duplicates.

use crate::labels::groups::GroupCounts;
use crate::labels::split_counts::SplitCounts;
use crate::split::Split;

/// A group is large from this number of examples on, and if it has at least a fifth of all.
const MIN_LARGE_GROUP: i64 = 10;

const WAY_OUT: &str = "import documents that are not near-duplicates of these";

/// Describes empty splits and large groups, the most important one first.
pub(crate) fn evidence_warnings(splits: SplitCounts, groups: &GroupCounts) -> Vec<String> {
    let total = splits.total();
    if total == 0 {
        return Vec::new();
    }
    let mut warnings = Vec::new();
    for (split, effect) in [
        (Split::Test, "nothing can be measured"),
        (Split::Train, "nothing can be learned"),
        (Split::Validation, "nothing can be compared before the test"),
    ] {
        if splits.get(split) == 0 {
            warnings.push(format!("the {split} split has no examples: {effect}; {WAY_OUT}"));
        }
    }
    if let Some(largest) =
        groups.largest.filter(|largest| largest.examples == total || (largest.examples >= MIN_LARGE_GROUP && largest.examples * 5 >= total))
    {
        warnings.push(format!(
            "{} of {total} examples are one group of near-duplicates, all in {}: they count as one example in thresholds, intervals, n and min_support",
            largest.examples, largest.split
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::groups::LargestGroup;

    #[test]
    fn one_template_in_one_split_is_named() {
        let splits = SplitCounts { train: 40, validation: 0, test: 0 };
        let largest = Some(LargestGroup { examples: 40, split: Split::Train });
        let warnings = evidence_warnings(splits, &GroupCounts { groups: 1, copies: 39, largest });
        assert!(warnings[0].starts_with("the test split has no examples: nothing can be measured; import documents that"), "{warnings:?}");
        assert!(warnings[2].starts_with("40 of 40 examples are one group of near-duplicates, all in train"), "{warnings:?}");
    }

    #[test]
    fn small_groups_beside_others_are_not_named() {
        let splits = SplitCounts { train: 40, validation: 5, test: 5 };
        let largest = Some(LargestGroup { examples: 9, split: Split::Train });
        assert!(evidence_warnings(splits, &GroupCounts { groups: 42, copies: 8, largest }).is_empty());
        assert!(evidence_warnings(SplitCounts::default(), &GroupCounts::default()).is_empty());
    }
}
