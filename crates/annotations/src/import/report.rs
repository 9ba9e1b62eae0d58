//! What an import did, as people and programs read it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::fields::{Cardinality, FieldKind};

/// What an import is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The file is being read.
    Reading,
    /// The file has ended; everything is being moved to its place.
    Storing,
}

/// How far an import is, for a progress bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What it is at.
    pub stage: Stage,
    /// Bytes read of the file as it came (compressed, if it is).
    pub bytes_read: u64,
    /// Tasks read, good and bad.
    pub tasks: u64,
}

/// A task that was not taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Quarantined {
    /// Place in the file, from 0.
    pub task_index: u64,
    /// Its id, where it has one.
    pub task_id: Option<String>,
    /// Why, and what would be right.
    pub reason: String,
}

/// A field that this import saw first, with what was guessed about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewField {
    /// Its name.
    pub name: String,
    /// Guessed kind.
    pub kind: FieldKind,
    /// Guessed cardinality.
    pub cardinality: Cardinality,
}

/// Documents by review status of one field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub struct StatusCounts {
    /// Prediction equals accepted value.
    pub ok: i64,
    /// Prediction differs from accepted value.
    pub corrected: i64,
    /// Accepted value without prediction.
    pub new: i64,
    /// Prediction where there is no value.
    pub rejected: i64,
    /// No prediction where there is no value.
    pub missing: i64,
    /// No answer.
    pub unreviewed: i64,
}

/// What an import did. An import that changed nothing has one too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ImportReport {
    /// Id of the row in `imports`.
    pub import_id: Uuid,
    /// Bytes of the file as it came.
    pub bytes: u64,
    /// Tasks in the file, good and bad.
    pub tasks: u64,
    /// Documents that were not there before.
    pub documents_created: u64,
    /// Documents whose text, file name or metadata changed.
    pub documents_updated: u64,
    /// Documents whose text, file name and metadata were the same already (their answers may still be new).
    pub documents_unchanged: u64,
    /// Answers that were not there before.
    pub events_created: u64,
    /// Tasks not taken in.
    pub quarantined: u64,
    /// The first of them.
    pub quarantined_tasks: Vec<Quarantined>,
    /// Current state of the documents of this file, by field.
    pub fields: BTreeMap<String, StatusCounts>,
    /// Fields that were not known before.
    pub new_fields: Vec<NewField>,
    /// Result items of types that Aprendiz does not read, by type.
    pub unknown_controls: BTreeMap<String, u64>,
    /// Keys in annotations, predictions and their results that Aprendiz does not read, by place and name; unknown keys of tasks are
    /// kept in the metadata of the document.
    #[serde(default)]
    pub unknown_keys: BTreeMap<String, u64>,
    /// Annotations that were skipped in the labelling tool, and so are no reviews.
    #[serde(default)]
    pub annotations_cancelled: u64,
    /// Unfinished annotations, which are not read.
    #[serde(default)]
    pub drafts_ignored: u64,
    /// Answers that were taken back or changed, because the annotations they came from are not in the file any more; only with `mirror`.
    #[serde(default)]
    pub reviews_withdrawn: u64,
    /// What does not fit, but did no harm.
    pub warnings: Vec<String>,
    /// When reading began.
    pub started_at: DateTime<Utc>,
}
