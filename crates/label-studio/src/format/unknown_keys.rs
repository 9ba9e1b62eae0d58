//! Counts unknown keys of annotations and predictions by their path.

use std::collections::BTreeMap;

use aprendiz_annotation_types::truncate_printable;

use crate::format::controls::Control;
use crate::format::result_item::ResultItem;

/// Maximum number of names counted separately; the rest is counted as `(others)`.
const MAX_NAMES: usize = 100;
/// Maximum number of characters shown of a name.
const MAX_NAME_CHARS: usize = 60;

/// Known keys in the value of a result item. Per-region controls also repeat the offsets of their region.
const KNOWN_VALUE_KEYS: [&str; 9] = ["choices", "text", "labels", "start", "end", "number", "datetime", "rating", "taxonomy"];

/// Number of occurrences by name.
#[derive(Debug, Default)]
pub(crate) struct NameCounts(BTreeMap<String, u64>);

impl NameCounts {
    pub(crate) fn count(&mut self, path: &str, name: &str) {
        let name = format!("{path}{}", truncate_printable(name, MAX_NAME_CHARS));
        let name = if self.0.contains_key(&name) || self.0.len() < MAX_NAMES { name } else { "(others)".to_owned() };
        *self.0.entry(name).or_default() += 1;
    }

    pub(crate) fn into_counts(self) -> BTreeMap<String, u64> {
        self.0
    }

    /// Counts unknown keys of an annotation or prediction and of its result items; `path` ends with a dot. Items of unsupported controls
    /// are counted by type elsewhere.
    pub(crate) fn count_all(&mut self, path: &str, unknown: &[String], items: &[ResultItem]) {
        for key in unknown {
            self.count(path, key);
        }
        for item in items.iter().filter(|item| item.control.as_deref().and_then(Control::from_type).is_some()) {
            for key in &item.unknown {
                self.count(&format!("{path}result[]."), key);
            }
            for key in item.value.iter().flat_map(|value| value.keys()).filter(|key| !KNOWN_VALUE_KEYS.contains(&key.as_str())) {
                self.count(&format!("{path}result[].value."), key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_the_limit_are_counted_together() {
        let mut counts = NameCounts::default();
        for number in 0..200 {
            counts.count("annotations[].", &format!("k{number}"));
        }
        counts.count("annotations[].", "k7");
        let counts = counts.into_counts();
        assert_eq!((counts.len(), counts["(others)"], counts["annotations[].k7"]), (MAX_NAMES + 1, 100, 2));
    }
}
