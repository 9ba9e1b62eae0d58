//! Labels of a worker: what its host has, for runs that require it.

use std::collections::{BTreeMap, BTreeSet};

use crate::backend::Backend;

/// Label that names the compute backends of a build. Workers set it themselves.
pub(crate) const BACKEND: &str = "backend";
/// Maximum number of labels of a worker, each value counted.
const MAX_LABELS: usize = 32;
/// Maximum length of a name or a value.
const MAX_LENGTH: usize = 63;

/// Labels of a worker: names, each with any number of values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkerLabels(BTreeMap<String, BTreeSet<String>>);

/// Why labels are invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// A label is not a name, or a name and a value.
    #[error(
        "`{0}` is not a label: expected NAME or NAME=VALUE, such as gpu or memory=64; names have lower-case letters, digits, `.`, `_`, `-` and start with a letter, values have letters, digits, `.`, `_`, `-`, at most 63 characters each"
    )]
    Malformed(String),
    /// The label is set by the worker itself.
    #[error("the label `backend` is set by the worker, from the backends of its build: choose another name")]
    Reserved,
    /// There are more labels than a worker may have.
    #[error("{0} labels: at most 32 are allowed")]
    TooMany(usize),
}

impl WorkerLabels {
    /// Parses comma-separated labels such as `gpu,memory=64`.
    ///
    /// # Errors
    /// The first label that is not valid.
    pub fn parse(text: &str) -> Result<Self, LabelError> {
        let labels: Vec<&str> = text.split(',').map(str::trim).filter(|label| !label.is_empty()).collect();
        if labels.len() > MAX_LABELS {
            return Err(LabelError::TooMany(labels.len()));
        }
        let mut parsed = Self::default();
        for label in labels {
            let (name, value) = split(label).ok_or_else(|| LabelError::Malformed(label.chars().take(2 * MAX_LENGTH).collect()))?;
            if name == BACKEND {
                return Err(LabelError::Reserved);
            }
            parsed.add(name, value);
        }
        Ok(parsed)
    }

    /// The labels of a stored worker. One that this version cannot read is left out, so that nothing is claimed because of it.
    #[must_use]
    pub fn from_stored(labels: &[String]) -> Self {
        let mut read = Self::default();
        for (name, value) in labels.iter().filter_map(|label| split(label)) {
            read.add(name, value);
        }
        read
    }

    /// Adds the compute backends of a build.
    #[must_use]
    pub fn with_backends(mut self, backends: &[Backend]) -> Self {
        for backend in backends {
            self.add(BACKEND, Some(backend.name()));
        }
        self
    }

    /// The labels as they are stored, sorted.
    #[must_use]
    pub fn to_strings(&self) -> Vec<String> {
        let mut labels = Vec::new();
        for (name, values) in &self.0 {
            if values.is_empty() {
                labels.push(name.clone());
            }
            labels.extend(values.iter().map(|value| format!("{name}={value}")));
        }
        labels
    }

    /// The values of a label, none for one without a value; `None` if the worker lacks the label.
    pub(crate) fn values(&self, name: &str) -> Option<&BTreeSet<String>> {
        self.0.get(name)
    }

    fn add(&mut self, name: &str, value: Option<&str>) {
        self.0.entry(name.to_owned()).or_default().extend(value.map(str::to_owned));
    }
}

/// Splits a label into its name and value, if both are valid.
fn split(label: &str) -> Option<(&str, Option<&str>)> {
    let (name, value) = label.split_once('=').map_or((label, None), |(name, value)| (name, Some(value)));
    (is_label_name(name) && value.is_none_or(is_label_value)).then_some((name, value))
}

/// Whether a text is the name of a label.
pub(crate) fn is_label_name(name: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'.' | b'_' | b'-');
    name.len() <= MAX_LENGTH && name.starts_with(|first: char| first.is_ascii_lowercase()) && name.bytes().all(allowed)
}

/// Whether a text is the value of a label.
pub(crate) fn is_label_value(value: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
    (1..=MAX_LENGTH).contains(&value.len()) && value.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_and_written_sorted() {
        let labels = WorkerLabels::parse(" memory=64, gpu ,zone=a,zone=b,").unwrap().with_backends(&[Backend::Flex, Backend::Cuda]);
        let stored = labels.to_strings();
        assert_eq!(stored, ["backend=cuda", "backend=flex", "gpu", "memory=64", "zone=a", "zone=b"]);
        assert_eq!(WorkerLabels::from_stored(&stored), labels);
        assert_eq!(WorkerLabels::parse("").unwrap(), WorkerLabels::default());
        assert_eq!(WorkerLabels::parse("gpu,gpu=a100").unwrap().to_strings(), ["gpu=a100"]);
    }

    #[test]
    fn an_invalid_label_is_named() {
        for (text, named) in
            [("gpu,Zone=a", "Zone=a"), ("memory=", "memory="), ("memory>=3", "memory>=3"), ("gpu two", "gpu two"), ("=1", "=1")]
        {
            let error = WorkerLabels::parse(text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{named}`")), "{error}");
        }
        assert_eq!(WorkerLabels::parse("backend=cuda"), Err(LabelError::Reserved));
        assert_eq!(WorkerLabels::parse(&"a,".repeat(33)), Err(LabelError::TooMany(33)));
        let unreadable = ["gpu".to_owned(), "newer~1".to_owned()];
        assert_eq!(WorkerLabels::from_stored(&unreadable).to_strings(), ["gpu"]);
    }
}
