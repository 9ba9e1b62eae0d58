//! Errors of reverts.

use uuid::Uuid;

/// Why an import cannot be reverted.
#[derive(Debug, thiserror::Error)]
pub enum RevertError {
    /// There is no such import.
    #[error("import {0} not found")]
    NotFound(Uuid),
    /// It has not ended.
    #[error("import {0} has not ended: wait for it (aprendiz imports watch {0}), then revert it")]
    Running(Uuid),
    /// It failed.
    #[error("import {0} failed: nothing was imported, and there is nothing to revert")]
    Failed(Uuid),
    /// It is older than the record of what an import wrote.
    #[error("import {0} is older than the record of what imports write, and cannot be reverted: archive its documents instead")]
    NotRecorded(Uuid),
    /// The reason is too long.
    #[error("reason: use 1 to 1000 characters without NUL")]
    InvalidReason,
    /// Postgres is unavailable, or rejected a statement.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
}
