//! Types of documents and of listing them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::documents::metadata::Metadata;
use crate::splits::Split;

/// A document without its text.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Document {
    /// Id in this installation.
    pub id: Uuid,
    /// Source of the document, for example `label-studio`.
    pub source: String,
    /// Project within the source.
    pub project: String,
    /// Id within the project, as given by the source.
    pub task_id: String,
    /// Original file name; never used as a feature.
    pub file_name: Option<String>,
    /// Media type of the original.
    pub content_type: String,
    /// SHA-256 of the latest text, lower-case hex.
    pub checksum: String,
    /// Other keys of the task; never used as features.
    #[schema(value_type = Object)]
    pub metadata: Metadata,
    /// Split of the document; missing until one is assigned.
    pub split: Option<Split>,
    /// Since when it is archived: in no selection, and not in the review queue.
    pub archived_at: Option<DateTime<Utc>>,
    /// When all imports that contained it were reverted.
    pub withdrawn_at: Option<DateTime<Utc>>,
    /// Time of the first import.
    pub created_at: DateTime<Utc>,
    /// Time of the last change of text, file name or metadata.
    pub updated_at: DateTime<Utc>,
}

/// A document with its latest text.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DocumentText {
    /// The document.
    #[serde(flatten)]
    pub document: Document,
    /// Latest text.
    pub text: String,
    /// Version of the text, from 1.
    pub text_version: i32,
}

/// A page of documents, or of what was found in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentPage<T> {
    /// At most as many items as requested; fewer, even none, if the limit on scanned documents was reached first.
    pub items: Vec<T>,
    /// Id after which the next page continues; `None` on the last page.
    pub next: Option<Uuid>,
}
