//! A document with all that was said about it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::export::annotation::{ExportedEvent, ExportedPrediction};

/// A document as of the position of an export.
#[derive(Debug)]
pub struct ExportedDocument {
    /// Its id.
    pub id: Uuid,
    /// Where it came from.
    pub source: String,
    /// Project within the source.
    pub project: String,
    /// Id within the project.
    pub task_id: String,
    /// Original file name.
    pub file_name: Option<String>,
    /// Other keys, a JSON object.
    pub metadata: Box<RawValue>,
    /// Arrival.
    pub created_at: DateTime<Utc>,
    /// The last text; empty where the selection is without texts.
    pub text: String,
    /// What was said, by field.
    pub fields: BTreeMap<String, FieldSaid>,
}

/// All that was said about one field.
#[derive(Debug, Default)]
pub struct FieldSaid {
    /// What reviewers said, in the order of positions.
    pub events: Vec<ExportedEvent>,
    /// What versions of the extractor said, the newest last.
    pub predictions: Vec<ExportedPrediction>,
}
