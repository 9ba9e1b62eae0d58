//! Reads examples and labels of a snapshot.
//!
//! Only `text` ever becomes a feature. Titles, file names and metadata often name the label, so they are not even parsed.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use aprendiz_evaluation::Label;
use serde::Deserialize;

use crate::error::TrainingError;

/// Supported version of `labels.json`.
const LABELS_VERSION: u32 = 1;

/// Maximum amount of text in memory while a file is read.
const BATCH_BYTES: usize = 8 << 20;

/// One line of `train.jsonl` or `validation.jsonl`. Other keys are ignored.
#[derive(Debug, Deserialize)]
pub(crate) struct Line {
    pub(crate) document_id: String,
    #[serde(default)]
    group: Option<String>,
    pub(crate) text: String,
    #[serde(default)]
    fields: BTreeMap<String, Option<FieldValue>>,
}

#[derive(Debug, Deserialize)]
struct FieldValue {
    value: Vec<String>,
}

/// An example without its text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Example {
    pub(crate) document_id: String,
    pub(crate) group: String,
    pub(crate) values: BTreeMap<String, Value>,
}

/// The accepted value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// No value, or exactly one.
    Class(Label),
    /// Several values, which are not a class.
    Several,
}

impl Line {
    /// Splits the line into the example and its text.
    pub(crate) fn split(self) -> (Example, String) {
        let values = self
            .fields
            .into_iter()
            // null is unreviewed, as is an absent field in snapshots of older builders
            .filter_map(|(field, value)| Some((field, value?)))
            .map(|(field, mut value)| match value.value.len() {
                0 => (field, Value::Class(None)),
                1 => (field, Value::Class(value.value.pop())),
                _ => (field, Value::Several),
            })
            .collect();
        // a document without a group is a group of its own
        let group = self.group.unwrap_or_else(|| self.document_id.clone());
        (Example { document_id: self.document_id, group, values }, self.text)
    }
}

/// Calls `handle` with batches of examples in file order. The amount of text in a batch is bounded.
pub(crate) fn read_batches<E: From<TrainingError>>(path: &Path, mut handle: impl FnMut(Vec<Line>) -> Result<(), E>) -> Result<(), E> {
    let mut reader = BufReader::with_capacity(1 << 18, File::open(path).map_err(TrainingError::io(path))?);
    let mut buffer = Vec::new();
    let mut batch = Vec::new();
    let mut bytes = 0;
    for number in 1.. {
        buffer.clear();
        if reader.read_until(b'\n', &mut buffer).map_err(TrainingError::io(path))? == 0 {
            break;
        }
        if buffer.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let line: Line = serde_json::from_slice(&buffer).map_err(|error| TrainingError::BadDataset {
            path: path.to_owned(),
            line: Some(number),
            reason: error.to_string(),
        })?;
        bytes += line.text.len();
        batch.push(line);
        if bytes >= BATCH_BYTES {
            handle(std::mem::take(&mut batch))?;
            bytes = 0;
        }
    }
    if batch.is_empty() { Ok(()) } else { handle(batch) }
}

/// `labels.json`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Labels {
    v: u32,
    /// Fields that can be trained, with their labels.
    pub(crate) fields: BTreeMap<String, FieldLabels>,
    /// Fields that the snapshot excluded.
    #[serde(default)]
    pub(crate) left_out: Vec<ExcludedField>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct FieldLabels {
    pub(crate) labels: Vec<Label>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ExcludedField {
    pub(crate) field: String,
    pub(crate) reason: String,
}

impl Labels {
    pub(crate) fn read(path: &Path) -> Result<Self, TrainingError> {
        let reject = |reason| TrainingError::BadDataset { path: PathBuf::from(path), line: None, reason };
        let text = std::fs::read_to_string(path).map_err(TrainingError::io(path))?;
        let labels: Self = serde_json::from_str(&text).map_err(|error| reject(error.to_string()))?;
        if labels.v != LABELS_VERSION {
            return Err(reject(format!("unsupported version {}, expected {LABELS_VERSION}", labels.v)));
        }
        Ok(labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Example {
        serde_json::from_str::<Line>(text).unwrap().split().0
    }

    #[test]
    fn an_empty_list_means_no_value_and_an_absent_field_means_unreviewed() {
        let example = line(
            r#"{"document_id":"d","split":"train","group":"g","text":"t","metadata":{"title":"x"},"file_name":"y",
                "fields":{"a":{"value":[],"status":"MISSING"},"b":{"value":["x"]},"c":{"value":["x","y"]}}}"#,
        );
        assert_eq!(example.values.get("a"), Some(&Value::Class(None)));
        assert_eq!(example.values.get("b"), Some(&Value::Class(Some("x".into()))));
        assert_eq!(example.values.get("c"), Some(&Value::Several));
        assert_eq!(example.values.get("d"), None);
    }

    #[test]
    fn a_document_without_group_is_its_own_group() {
        assert_eq!(line(r#"{"document_id":"d","group":null,"text":""}"#).group, "d");
    }

    #[test]
    fn an_error_names_the_number_of_the_malformed_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("train.jsonl");
        std::fs::write(&path, "{\"document_id\":\"d\",\"text\":\"\"}\n\n{\"document_id\":").unwrap();
        let error = read_batches(&path, |_| Ok::<_, TrainingError>(())).unwrap_err();
        assert_eq!(error.code(), "bad_dataset");
        assert!(error.to_string().contains("train.jsonl, line 3"), "{error}");
    }
}
