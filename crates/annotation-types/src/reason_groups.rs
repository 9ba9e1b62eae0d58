//! Groups equal reasons of a report, with their number and some examples.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Maximum number of groups; further reasons are counted together.
const MAX_GROUPS: usize = 100;
/// Maximum number of examples of a group.
const MAX_EXAMPLES: usize = 5;
/// Reason under which reasons beyond the limit are counted.
const OTHERS: &str = "other reasons";

/// What happened for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReasonGroup {
    /// The reason and the way out.
    pub reason: String,
    /// How often it applies.
    pub count: u64,
    /// Where it applies first, such as `task 403, annotation 43, law`.
    pub examples: Vec<String>,
}

impl fmt::Display for ReasonGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = if self.count > self.examples.len() as u64 { ", …" } else { "" };
        write!(f, "{} × {} ({}{more})", self.count, self.reason, self.examples.join("; "))
    }
}

/// Collects reasons by group.
#[derive(Debug, Clone, Default)]
pub struct ReasonGroups(BTreeMap<String, ReasonGroup>);

impl ReasonGroups {
    /// Adds a reason. Reasons that differ only in numbers, such as ids and offsets, are in one group; it shows the first of them.
    pub fn add(&mut self, reason: &str, example: impl FnOnce() -> String) {
        let mut key = mask_numbers(reason);
        let mut reason = reason;
        if !self.0.contains_key(&key) && self.0.len() >= MAX_GROUPS {
            (key, reason) = (OTHERS.to_owned(), OTHERS);
        }
        let new = || ReasonGroup { reason: reason.to_owned(), count: 0, examples: Vec::new() };
        let group = self.0.entry(key).or_insert_with(new);
        group.count += 1;
        if group.examples.len() < MAX_EXAMPLES {
            let example = example();
            if !group.examples.contains(&example) {
                group.examples.push(example);
            }
        }
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The groups, most frequent first.
    #[must_use]
    pub fn into_groups(self) -> Vec<ReasonGroup> {
        let mut groups: Vec<ReasonGroup> = self.0.into_values().collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        groups
    }
}

/// Replaces each run of digits by one character.
fn mask_numbers(reason: &str) -> String {
    let mut masked = String::with_capacity(reason.len());
    for character in reason.chars() {
        if !character.is_ascii_digit() {
            masked.push(character);
        } else if !masked.ends_with('#') {
            masked.push('#');
        }
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_that_differ_in_numbers_are_one_group() {
        let mut groups = ReasonGroups::default();
        for number in 0..600 {
            groups.add(&format!("annotation {number} has no time"), || format!("task {number}"));
        }
        groups.add("the task has no id", || "task 7".to_owned());
        let groups = groups.into_groups();
        assert_eq!(groups.len(), 2);
        assert_eq!((groups[0].reason.as_str(), groups[0].count), ("annotation 0 has no time", 600));
        assert_eq!(groups[0].examples, ["task 0", "task 1", "task 2", "task 3", "task 4"]);
    }

    #[test]
    fn reasons_beyond_the_limit_are_counted_together() {
        let mut groups = ReasonGroups::default();
        for number in 0..200 {
            groups.add(&"x".repeat(number), String::new);
        }
        let groups = groups.into_groups();
        assert_eq!((groups.len(), groups[0].reason.as_str(), groups[0].count), (MAX_GROUPS + 1, OTHERS, 100));
    }
}
