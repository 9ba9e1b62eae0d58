//! Problems of one task, collected until the whole task was read.

use std::fmt::Write as _;

use aprendiz_annotation_types::truncate_printable;

use crate::error_offset::error_offset;
use crate::parse::json_path::path_at;

/// Maximum bytes of the reasons of one task.
const MAX_BYTES: usize = 1_900;
/// Maximum number of characters of one reason.
const MAX_REASON_CHARS: usize = 400;

/// Problems of one task.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    /// Why the task is quarantined.
    reasons: Vec<String>,
    /// Parts that are left out or read in a special way, each with its place in the task.
    pub(crate) notes: Vec<(String, String)>,
}

impl Problems {
    /// Adds a reason to quarantine the task.
    pub(crate) fn reject(&mut self, reason: impl Into<String>) {
        let reason = reason.into();
        if !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
    }

    /// Returns a value, or adds the reason why there is none.
    pub(crate) fn require<T>(&mut self, result: Result<T, String>) -> Option<T> {
        result.map_err(|reason| self.reject(reason)).ok()
    }

    /// Notes a part that is left out while the rest of the task is imported.
    pub(crate) fn note(&mut self, reason: impl Into<String>, place: impl Into<String>) {
        self.notes.push((reason.into(), place.into()));
    }

    /// All reasons to quarantine the task; `None` if there is none.
    pub(crate) fn reason(&self) -> Option<String> {
        let mut joined = String::new();
        for (index, reason) in self.reasons.iter().enumerate() {
            let reason = truncate_printable(reason, MAX_REASON_CHARS);
            if index > 0 {
                if joined.len() + reason.len() > MAX_BYTES {
                    // writing to a string does not fail
                    let _ = write!(joined, "; and {} more", self.reasons.len() - index);
                    break;
                }
                joined.push_str("; ");
            }
            joined.push_str(&reason);
        }
        (!self.reasons.is_empty()).then_some(joined)
    }
}

/// Describes an error of the JSON parser without its line and column, which count from the start of a part of the file.
pub(crate) fn describe(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or(&text);
    if text.contains("surrogate") || text.contains("hex escape") {
        return "a string has half of a character (a lone surrogate such as \\ud83d): write the whole character, or remove the half"
            .to_owned();
    }
    text.to_owned()
}

/// As [`describe`], with the path of the value in the parsed JSON if the error does not name it.
pub(crate) fn describe_in(raw: &str, error: &serde_json::Error) -> String {
    let description = describe(error);
    if !description.contains("number out of range") && !description.contains("recursion limit") {
        return description;
    }
    let path = path_at(raw, error_offset(error, raw.as_bytes()));
    if path.is_empty() { description } else { format!("{description} at `{path}`") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_reasons_are_given_once_and_together() {
        let mut problems = Problems::default();
        assert_eq!(problems.reason(), None);
        problems.reject("no id");
        problems.reject("no text");
        problems.reject("no id");
        assert_eq!(problems.reason().unwrap(), "no id; no text");
        (0..1_000).for_each(|number| problems.reject(format!("{number} {}", "é".repeat(500))));
        let reason = problems.reason().unwrap();
        assert!(reason.len() <= 2_000 && reason.ends_with("more"), "{reason}");
    }

    #[test]
    fn numbers_out_of_range_and_deep_values_are_located() {
        let located = |raw: &str| describe_in(raw, &serde_json::from_str::<serde_json::Value>(raw).unwrap_err());
        assert_eq!(located(r#"{"id":1,"result":[{},{"value":{"number":1e999}}]}"#), "number out of range at `result[1].value.number`");
        let deep = located(&format!(r#"{{"a":{{"b":{}"#, "[".repeat(1_000)));
        assert!(deep.starts_with("recursion limit exceeded at `a.b[0][0]"), "{deep}");
        assert_eq!(located("1e999"), "number out of range");
    }

    #[test]
    fn errors_of_the_parser_have_no_line() {
        let error = serde_json::from_str::<String>("\"\\ud83d\"").unwrap_err();
        assert!(describe(&error).contains("half of a character"));
        let error = serde_json::from_str::<u8>("\n[]").unwrap_err();
        assert!(!describe(&error).contains("line"));
    }
}
