//! Why a snapshot could not be resolved, built or recorded.
//!
//! Each error says whether the run may try again (`is_retryable`) and by which code it is counted (`code`).

use std::path::{Path, PathBuf};

use parquet::errors::ParquetError;

/// What went wrong with a dataset.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    #[error("unknown field {field:?}; known fields: {known}")]
    UnknownField { field: String, known: String },
    #[error("unknown documents in the selection: {documents}")]
    UnknownDocuments { documents: String },
    #[error("{looked_for}")]
    NoExamples { looked_for: String },
    /// The same text or group, or near-duplicates, in two splits: a model would be measured on what it was trained on.
    #[error("documents that belong together are in different splits: {documents}; `aprendiz document index` excludes the later ones")]
    SplitLeak { documents: String },
    /// Another build leaves them out.
    #[error("erased while the snapshot was built: {documents}; the next attempt builds one without them")]
    Erased { documents: String },
    #[error("the build was cancelled")]
    Cancelled,
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    #[error("cannot read {column} of {table} {id}")]
    BrokenRow { table: &'static str, column: &'static str, id: String, source: serde_json::Error },
    #[error("cannot write {path}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("cannot write Parquet file {path}")]
    Parquet { path: PathBuf, source: ParquetError },
}

impl DatasetError {
    /// Stable code for counting failures by cause.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownField { .. } => "unknown_field",
            Self::UnknownDocuments { .. } => "unknown_documents",
            Self::NoExamples { .. } => "no_examples",
            Self::SplitLeak { .. } => "split_leak",
            Self::Erased { .. } => "dataset_erased",
            Self::Cancelled => "cancelled",
            Self::Database(_) => "database",
            Self::BrokenRow { .. } => "broken_row",
            Self::Io { .. } | Self::Parquet { .. } => "snapshot_io",
        }
    }

    /// Whether the same build may succeed later without anybody changing the request or the data.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Database(error) => database_may_recover(error),
            Self::Io { .. } | Self::Parquet { .. } | Self::Erased { .. } => true,
            Self::UnknownField { .. }
            | Self::UnknownDocuments { .. }
            | Self::NoExamples { .. }
            | Self::SplitLeak { .. }
            | Self::Cancelled
            | Self::BrokenRow { .. } => false,
        }
    }

    /// Resumes the panic of a thread; only a runtime that shuts down cancels one.
    pub(crate) fn of_thread(error: tokio::task::JoinError) -> Self {
        match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Self::Cancelled,
        }
    }

    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn parquet(path: &Path) -> impl FnOnce(ParquetError) -> Self {
        let path = path.to_owned();
        move |source| Self::Parquet { path, source }
    }
}

/// A statement the server refuses (syntax, type, missing table) fails again; a lost, busy or full server may recover.
fn database_may_recover(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        // classes: connection, rollback, resources, object in use, operator intervention, system error
        sqlx::Error::Database(refused) => {
            refused.code().is_some_and(|code| ["08", "40", "53", "55", "57", "58"].iter().any(|class| code.starts_with(class)))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_connection_may_be_tried_again() {
        let error = DatasetError::from(sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into()));
        assert!(error.is_retryable());
        assert_eq!(error.code(), "database");
    }

    #[test]
    fn a_wrong_request_is_permanent() {
        let error = DatasetError::UnknownField { field: "colour".into(), known: "size".into() };
        assert!(!error.is_retryable());
        assert_eq!(error.to_string(), "unknown field \"colour\"; known fields: size");
        assert!(!DatasetError::from(sqlx::Error::RowNotFound).is_retryable());
    }
}
