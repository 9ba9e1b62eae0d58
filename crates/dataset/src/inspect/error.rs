//! Why a question about a snapshot has no answer.

use annotations::AnnotationsError;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::error::DatasetError;

/// What went wrong with a question about a snapshot or a document.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// No such snapshot.
    #[error("no dataset snapshot {0}")]
    UnknownDataset(Uuid),
    /// No such document.
    #[error("no document {0}")]
    UnknownDocument(Uuid),
    /// Its content is gone.
    #[error("dataset snapshot {id} was erased on {} because a document in it was erased; `verify` and `lineage` still tell about it", .at.format("%Y-%m-%d %H:%M UTC"))]
    Erased {
        /// The snapshot.
        id: Uuid,
        /// When it was given up.
        at: DateTime<Utc>,
    },
    /// A column that does not hold what it should.
    #[error("cannot read {column} of dataset {id}")]
    BrokenRow {
        /// Name of the column.
        column: &'static str,
        /// The snapshot.
        id: Uuid,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// Postgres did not answer or refused.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// Reading its rows failed.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// Reading or emptying a document failed.
    #[error(transparent)]
    Annotations(#[from] AnnotationsError),
}
