//! Exports documents as Label Studio tasks.
//!
//! An annotation of Label Studio describes the whole document, an event a single field. This module groups events into reviews and
//! predictions of fields into predictions of documents; the crate `label-studio` writes the tasks.

mod predictions;
mod reviews;

use std::collections::HashMap;

pub use aprendiz_label_studio::write::TaskParts;
use aprendiz_label_studio::write::{TaskDocument, write_task as write};

use crate::export::field_types::FieldType;
use crate::export::label_studio::predictions::group_predictions;
use crate::export::label_studio::reviews::group_reviews;
use crate::export::types::ExportedDocument;

/// Appends a document as a task. Returns `false` if there was nothing to write.
pub fn write_task(document: &ExportedDocument, field_types: &HashMap<String, FieldType>, parts: TaskParts, to: &mut Vec<u8>) -> bool {
    let reviews = match parts {
        TaskParts::Everything => group_reviews(document),
        TaskParts::Predictions => Vec::new(),
    };
    let task = TaskDocument {
        id: document.id,
        project: &document.project,
        task_id: &document.task_id,
        file_name: document.file_name.as_deref(),
        metadata: &document.metadata,
        text: &document.text,
        created_at: document.created_at,
        fields: document.fields.keys().filter_map(|field| Some((field.as_str(), *field_types.get(field)?))).collect(),
        reviews,
        predictions: group_predictions(document),
    };
    write(&task, parts, to)
}
