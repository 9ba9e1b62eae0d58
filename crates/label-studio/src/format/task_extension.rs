//! The `aprendiz` extension of tasks and annotations, which makes export and import lossless.
//!
//! It holds what a plain task cannot express: the fields that a review covers, whether it was undone, and its source. Label Studio drops
//! these keys on import. `write` produces the extension.

use std::collections::BTreeMap;

use aprendiz_annotation_types::{FieldType, ReviewStatus, is_valid_field_name, truncate_printable};
use serde::Deserialize;

use crate::parse::metadata::Metadata;

/// Maximum lengths in characters of the source, reference and note of a review, the same as for a single review.
const MAX_SOURCE_CHARS: usize = 200;
const MAX_SOURCE_REF_CHARS: usize = 410;
const MAX_NOTE_CHARS: usize = 10_000;

/// Extension of a task.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct TaskExtension {
    /// File name and metadata, if `data` and `meta` cannot represent them.
    pub(crate) details: Option<DetailsExtension>,
    /// Definitions of the fields of the document, so that an import does not have to infer them.
    #[serde(default)]
    pub(crate) fields: BTreeMap<String, FieldType>,
}

/// Exact file name and metadata of a document.
#[derive(Debug, Deserialize)]
pub(crate) struct DetailsExtension {
    pub(crate) file_name: Option<String>,
    pub(crate) metadata: Metadata,
}

/// Extension of an annotation.
#[derive(Debug, Deserialize)]
pub(crate) struct ReviewExtension {
    pub(crate) source: String,
    pub(crate) source_ref: String,
    /// The reviewed fields, each with its review status at that time. The result may have values of other fields, which are not reviewed.
    pub(crate) fields: BTreeMap<String, ReviewStatus>,
    pub(crate) note: Option<String>,
}

impl ReviewExtension {
    /// Checks the constraints of the tables.
    pub(crate) fn check(&self) -> Result<(), String> {
        for (part, text, max_chars) in [
            ("source", Some(&self.source), MAX_SOURCE_CHARS),
            ("source_ref", Some(&self.source_ref), MAX_SOURCE_REF_CHARS),
            ("note", self.note.as_ref(), MAX_NOTE_CHARS),
        ] {
            if text.is_some_and(|text| text.is_empty() || text.chars().count() > max_chars) {
                return Err(format!("`aprendiz.{part}` is empty or has more than {max_chars} characters"));
            }
        }
        Ok(())
    }
}

/// Checks that all keys are valid field names.
///
/// # Errors
/// With the reason for quarantine.
pub(crate) fn check_field_names(fields: &BTreeMap<String, FieldType>) -> Result<(), String> {
    match fields.keys().find(|name| !is_valid_field_name(name)) {
        Some(name) => Err(format!("`{}` is not a valid field name", truncate_printable(name, 100))),
        None => Ok(()),
    }
}
