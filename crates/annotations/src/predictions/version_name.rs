//! Names of published versions among the versions of extractors.

/// The name under which the predictions of a version are stored.
#[must_use]
pub fn version_name(model: &str, number: i32) -> String {
    format!("{model}@{number}")
}
