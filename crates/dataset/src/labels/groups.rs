//! Groups of near-duplicates: a group is one piece of evidence, however many examples it has.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Serialize;

use crate::split::Split;

/// Groups of all examples. Memory: about 30 bytes per group.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    examples: HashMap<u64, (i64, Split)>,
}

/// Number of groups, and the largest one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct GroupCounts {
    pub(crate) groups: i64,
    /// Examples that are near-duplicates of another example of their group.
    pub(crate) copies: i64,
    pub(crate) largest: Option<LargestGroup>,
}

/// The group with the most examples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct LargestGroup {
    pub(crate) examples: i64,
    pub(crate) split: Split,
}

impl Groups {
    pub(crate) fn add(&mut self, group: u64, split: Split) {
        self.examples.entry(group).or_insert((0, split)).0 += 1;
    }

    pub(crate) fn count(&self) -> GroupCounts {
        let examples: i64 = self.examples.values().map(|(examples, _)| examples).sum();
        let groups = i64::try_from(self.examples.len()).unwrap_or(i64::MAX);
        let largest = self.examples.values().max().filter(|(examples, _)| *examples > 1);
        let largest = largest.map(|(examples, split)| LargestGroup { examples: *examples, split: *split });
        GroupCounts { groups, copies: examples - groups, largest }
    }
}

/// Counts distinct groups up to a limit, beyond which nothing is held in memory.
#[derive(Debug, Default)]
pub(crate) struct LimitedGroups(HashSet<u64>);

impl LimitedGroups {
    pub(crate) fn add(&mut self, group: u64, limit: usize) {
        if self.0.len() < limit {
            self.0.insert(group);
        }
    }

    pub(crate) fn count(&self) -> i64 {
        i64::try_from(self.0.len()).unwrap_or(i64::MAX)
    }
}

/// The key of a group in memory.
pub(crate) fn group_hash(group: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    group.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_all_examples_but_one_of_each_group() {
        let mut groups = Groups::default();
        assert_eq!(groups.count(), GroupCounts::default());
        groups.add(group_hash("a"), Split::Test);
        assert_eq!(groups.count(), GroupCounts { groups: 1, copies: 0, largest: None });
        for _ in 0..3 {
            groups.add(group_hash("b"), Split::Train);
        }
        let largest = Some(LargestGroup { examples: 3, split: Split::Train });
        assert_eq!(groups.count(), GroupCounts { groups: 2, copies: 2, largest });
    }
}
