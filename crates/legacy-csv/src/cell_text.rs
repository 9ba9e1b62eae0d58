//! The text of a cell as its author meant it: without the marks of spreadsheets and the words for missing values.

use aprendiz_text::{choose, count};
use std::collections::BTreeMap;

use aprendiz_annotation_types::is_missing_word;

/// Maximum number of words that are counted separately.
const MAX_WORDS: usize = 50;

/// Counts of words for missing values.
#[derive(Debug, Default)]
pub(crate) struct MissingWords(pub(crate) BTreeMap<String, u64>);

impl MissingWords {
    /// Returns the text of a cell, empty for a word for a missing value. `allowed` are words that are values nevertheless.
    pub(crate) fn read<'c>(&mut self, cell: &'c str, allowed: Option<&[String]>) -> &'c str {
        let text = unwrap_formula(cell);
        let word = text.trim();
        if !is_missing_word(word) || allowed.is_some_and(|allowed| allowed.iter().any(|value| value == word)) {
            return text;
        }
        // too narrow columns differ in length only
        let word = if word.starts_with("##") { "###" } else { word };
        if let Some(count) = self.0.get_mut(word) {
            *count += 1;
        } else if self.0.len() < MAX_WORDS {
            self.0.insert(word.to_owned(), 1);
        }
        ""
    }

    /// A warning about the words, if there are any.
    pub(crate) fn warning(&self) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let total: u64 = self.0.values().sum();
        let words = self.0.iter().map(|(word, count)| format!("`{word}` {count}")).collect::<Vec<_>>().join(", ");
        Some(format!(
            "{} {} as empty ({words}): to use such a word as a value, declare it as an \
             allowed value of the field",
            count(total, "cell"),
            choose(total, "holds a word for a missing value and counts", "hold a word for a missing value and count")
        ))
    }
}

/// `="Malta"` is the text Malta, marked by a spreadsheet.
fn unwrap_formula(cell: &str) -> &str {
    cell.trim().strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"')).unwrap_or(cell)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_missing_values_are_empty_unless_allowed() {
        let mut words = MissingWords::default();
        let read: Vec<&str> = ["nan", " None ", "<NA>", "#N/A", "######", "NA", "N/A", "Malta", "=\"Malta\"", "=\"nan\"", "=SUM(A1)"]
            .into_iter()
            .map(|cell| words.read(cell, None))
            .collect();
        assert_eq!(read, ["", "", "", "", "", "NA", "N/A", "Malta", "Malta", "", "=SUM(A1)"]);
        assert_eq!(words.read("None", Some(&["None".to_owned()])), "None");
        let warning = words.warning().unwrap();
        assert!(warning.starts_with("6 cells") && warning.contains("`nan` 2") && warning.contains("`###` 1"), "{warning}");
        assert_eq!(MissingWords::default().warning(), None);
    }
}
