//! Progress and report of an import.

use std::collections::BTreeMap;

use aprendiz_annotation_types::{QuarantinedTask, ReasonGroup};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::fields::{Cardinality, FieldKind};

/// Stage of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Stage {
    /// The file is being read.
    Reading,
    /// The whole file was read; its rows are being merged.
    Storing,
}

impl Stage {
    /// The name used in the database and the API.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Reading => "reading",
            Self::Storing => "storing",
        }
    }
}

/// Progress of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Current stage.
    pub stage: Stage,
    /// Bytes of the file read so far, before decompression.
    pub bytes_read: u64,
    /// Tasks read so far, valid and quarantined.
    pub tasks: u64,
}

/// A field created by an import, with its inferred definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::FromRow)]
pub struct NewField {
    /// Name of the field.
    pub name: String,
    /// Inferred kind.
    pub kind: FieldKind,
    /// Inferred cardinality.
    pub cardinality: Cardinality,
}

/// Number of documents by review status of one field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub struct StatusCounts {
    /// The prediction equals the accepted value.
    pub ok: i64,
    /// The prediction differs from the accepted value.
    pub corrected: i64,
    /// A value was accepted and none was predicted.
    pub new: i64,
    /// A value was predicted and the accepted value is "no value".
    pub rejected: i64,
    /// No value was predicted and the accepted value is "no value".
    pub missing: i64,
    /// Not reviewed.
    pub unreviewed: i64,
}

/// Report of an import, also of one that changed nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ImportReport {
    /// Id of the import.
    pub import_id: Uuid,
    /// Source of the documents.
    #[serde(default)]
    pub source: Option<String>,
    /// Whether nothing was written.
    #[serde(default)]
    pub dry_run: bool,
    /// Bytes of the file, before decompression.
    pub bytes: u64,
    /// Tasks in the file, valid and quarantined.
    pub tasks: u64,
    /// Documents created.
    pub documents_created: u64,
    /// Existing documents whose text, file name or metadata changed.
    pub documents_updated: u64,
    /// Existing documents with the same text, file name and metadata. Their reviews may still be new.
    pub documents_unchanged: u64,
    /// Documents that had been withdrawn with their imports, and are back.
    #[serde(default)]
    pub documents_restored: u64,
    /// Documents of this file that are archived; they stay archived.
    #[serde(default)]
    pub documents_archived: u64,
    /// Documents of this file by split: `train`, `validation`, `test` and `excluded`.
    #[serde(default)]
    pub splits: BTreeMap<String, u64>,
    /// Review events created, one per reviewed field.
    pub events_created: u64,
    /// Quarantined tasks.
    pub quarantined: u64,
    /// Known tasks that were quarantined because their text has nothing in common with the stored one.
    #[serde(default)]
    pub other_documents: u64,
    /// The first quarantined tasks.
    pub quarantined_tasks: Vec<QuarantinedTask>,
    /// Quarantined tasks by reason, most frequent first. Reasons that differ only in numbers are one group, with the first of them.
    #[serde(default)]
    pub quarantine_reasons: Vec<ReasonGroup>,
    /// Parts of valid tasks that were left out, and decisions that may surprise, by reason, most frequent first.
    #[serde(default)]
    pub notes: Vec<ReasonGroup>,
    /// Documents of this file by review status, for each field.
    pub fields: BTreeMap<String, StatusCounts>,
    /// Fields created by this import.
    pub new_fields: Vec<NewField>,
    /// Field by the name of a label or control that is not the name of a field itself.
    #[serde(default)]
    pub renamed_fields: BTreeMap<String, String>,
    /// Result items of unsupported control types, by type.
    pub unknown_controls: BTreeMap<String, u64>,
    /// Unknown keys of annotations, predictions and their results, by path and name. Unknown keys of tasks are kept in the metadata of the
    /// document.
    #[serde(default)]
    pub unknown_keys: BTreeMap<String, u64>,
    /// Annotations that were skipped in Label Studio, which are not reviews.
    #[serde(default)]
    pub annotations_cancelled: u64,
    /// Drafts, which are not imported.
    #[serde(default)]
    pub drafts_ignored: u64,
    /// Reviews retracted or changed because their annotations are no longer in the file; only with `mirror`.
    #[serde(default)]
    pub reviews_retracted: u64,
    /// Inconsistencies that did not prevent the import.
    pub warnings: Vec<String>,
    /// When reading began.
    pub started_at: DateTime<Utc>,
}
