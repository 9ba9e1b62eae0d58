//! Counts what stands in answers and is not read, by where it stands.

use std::collections::BTreeMap;

use crate::import::controls::Control;
use crate::import::objects::Item;
use crate::import::scalars::printable;

/// Distinct names that are counted apart; a file with more is no honest export.
const MOST_NAMES: usize = 100;
/// Characters of a name that are shown.
const LONGEST_NAME: usize = 60;

/// Keys of the value of an item that some control reads: what is said about a region holds the place of that region too.
const READ: [&str; 9] = ["choices", "text", "labels", "start", "end", "number", "datetime", "rating", "taxonomy"];

/// How often each name was met.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<String, u64>);

impl Names {
    pub(super) fn count(&mut self, place: &str, name: &str) {
        let name = format!("{place}{}", printable(name, LONGEST_NAME));
        let name = if self.0.contains_key(&name) || self.0.len() < MOST_NAMES { name } else { "(others)".to_owned() };
        *self.0.entry(name).or_default() += 1;
    }

    pub(super) fn into_counts(self) -> BTreeMap<String, u64> {
        self.0
    }

    /// Unknown keys of an annotation or prediction, whose place ends in a dot, and of what it says. Items that are not read as a whole are
    /// counted by their type elsewhere.
    pub(super) fn count_of_answer(&mut self, place: &str, unknown: &[String], items: &[Item]) {
        for key in unknown {
            self.count(place, key);
        }
        for item in items.iter().filter(|item| item.control.as_deref().and_then(Control::of).is_some()) {
            for key in &item.unknown {
                self.count(&format!("{place}result[]."), key);
            }
            for key in item.value.iter().flat_map(|value| value.keys()).filter(|key| !READ.contains(&key.as_str())) {
                self.count(&format!("{place}result[].value."), key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_without_end_are_counted_together() {
        let mut names = Names::default();
        for number in 0..200 {
            names.count("annotations[].", &format!("k{number}"));
        }
        names.count("annotations[].", "k7");
        let counts = names.into_counts();
        assert_eq!((counts.len(), counts["(others)"], counts["annotations[].k7"]), (MOST_NAMES + 1, 100, 2));
    }
}
