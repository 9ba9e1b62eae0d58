//! A single document to be imported, and its validation.

use aprendiz_annotation_types::{MAX_ID_CHARS, describe_address, is_blank, is_missing_word};
use serde_json::Value;

use crate::documents::Metadata;
use crate::import::error::ImportError;
use crate::import::source_name::check_source_name;
use crate::import::staging::StagedDocument;

/// Maximum bytes of the text, the same as for an import.
const MAX_TEXT_BYTES: usize = 10 << 20;
const MAX_METADATA_BYTES: usize = 1 << 20;
const MAX_FILE_NAME_CHARS: usize = 1_000;

/// A document to be imported.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDocument {
    /// Source, for example `api`; 1 to 100 characters without `/`.
    pub source: String,
    /// Project within the source, 1 to 200 characters.
    pub project: String,
    /// Id within the project, 1 to 200 characters.
    pub task_id: String,
    /// Original file name; never a feature.
    pub file_name: Option<String>,
    /// Other properties; never features.
    pub metadata: Metadata,
    /// The text; not empty, at most 10 MiB.
    pub text: String,
}

impl NewDocument {
    /// Validates the document.
    pub(super) fn validate(self) -> Result<StagedDocument, ImportError> {
        let invalid = |part: &'static str, reason: String| Err(ImportError::InvalidDocument { part, reason });
        for (part, name, max_chars) in [("project", &self.project, MAX_ID_CHARS), ("task_id", &self.task_id, MAX_ID_CHARS)] {
            if name.trim().is_empty() || name.chars().count() > max_chars || name.contains(char::is_control) {
                return invalid(part, format!("use 1 to {max_chars} characters without control characters"));
            }
        }
        if let Err(reason) = check_source_name(&self.source) {
            return invalid("source", reason);
        }
        if self.file_name.as_ref().is_some_and(|name| name.is_empty() || name.chars().count() > MAX_FILE_NAME_CHARS || name.contains('\0'))
        {
            return invalid("file_name", format!("use 1 to {MAX_FILE_NAME_CHARS} characters without NUL, or omit it"));
        }
        if is_blank(&self.text) {
            return invalid("text", "it is empty".to_owned());
        }
        if is_missing_word(&self.text) {
            return invalid("text", format!("it is `{}`, a word for a missing value: send the text itself", self.text.trim()));
        }
        if let Some(kind) = describe_address(&self.text) {
            return invalid("text", format!("it is only an address ({kind}), not the text of a document: send the text itself"));
        }
        if self.text.len() > MAX_TEXT_BYTES {
            return invalid("text", format!("it has {} bytes; at most {MAX_TEXT_BYTES} are allowed", self.text.len()));
        }
        if self.text.contains('\0') {
            return invalid("text", "it contains a NUL character, which the database cannot store".to_owned());
        }
        let metadata = self.metadata.get().to_owned();
        if metadata.len() > MAX_METADATA_BYTES {
            return invalid("metadata", format!("it has {} bytes; at most {MAX_METADATA_BYTES} are allowed", metadata.len()));
        }
        // parsed only to check it: the text keeps the digits of all numbers
        match serde_json::from_str::<Value>(&metadata) {
            Ok(parsed) if contains_nul(&parsed) => {
                return invalid("metadata", "it contains a NUL character, which the database cannot store".to_owned());
            }
            Ok(_) => {}
            Err(error) => return invalid("metadata", error.to_string()),
        }
        Ok(StagedDocument { project: self.project, task_id: self.task_id, file_name: self.file_name, metadata, text: self.text })
    }
}

fn contains_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(contains_nul),
        Value::Object(items) => items.iter().any(|(key, item)| key.contains('\0') || contains_nul(item)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
