//! Errors of inspecting snapshots and documents.

use aprendiz_annotations::AnnotationsError;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::error::DatasetError;

/// Error of inspecting a snapshot or a document.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The snapshot does not exist.
    #[error("no dataset snapshot {0}")]
    UnknownDataset(Uuid),
    /// The document does not exist.
    #[error("no document {0}")]
    UnknownDocument(Uuid),
    /// The content of the snapshot was erased.
    #[error("the content of dataset snapshot {id} was erased on {}, because one of its documents was erased; `verify` and `lineage` are still available", .at.format("%Y-%m-%dT%H:%M:%SZ"))]
    Erased {
        /// Id of the snapshot.
        id: Uuid,
        /// When its content was erased.
        at: DateTime<Utc>,
    },
    /// A column of `datasets` has an unexpected form.
    #[error("cannot read {column} of dataset {id}: {source}")]
    BrokenRow {
        /// Name of the column.
        column: &'static str,
        /// Id of the snapshot.
        id: Uuid,
        /// The decoding error.
        source: serde_json::Error,
    },
    /// A statement failed, or Postgres is unavailable.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// Reading the rows of the snapshot failed.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// Reading or redacting a document failed.
    #[error(transparent)]
    Annotations(#[from] AnnotationsError),
}
