//! Ids and strings, checked against what the database can store.

use std::borrow::Cow;

/// Maximum length in characters of the id of a task, project, annotation or extractor version: they are parts of index keys.
pub const MAX_ID_CHARS: usize = 200;

/// Removes NUL characters, which the database rejects.
#[must_use]
pub fn remove_nul(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "")) } else { Cow::Borrowed(text) }
}

/// Truncates a string to `max_chars` characters for a report and removes NUL characters, which the database rejects.
#[must_use]
pub fn truncate_printable(text: &str, max_chars: usize) -> String {
    text.chars().filter(|character| *character != '\0').take(max_chars).collect()
}
