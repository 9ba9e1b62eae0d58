//! Errors of resolving, building and recording a snapshot.

use std::path::{Path, PathBuf};

use parquet::errors::ParquetError;
use uuid::Uuid;

/// Error of a dataset operation, with a stable code and whether a retry may succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    #[error("unknown field `{field}`; known fields: {known}")]
    UnknownField { field: String, known: String },
    #[error("unknown documents in the selection: {documents}")]
    UnknownDocuments { documents: String },
    #[error("{message}")]
    NoExamples { message: String },
    /// Equal texts, near-duplicates or members of a group are in two splits: a model would be evaluated on its training data.
    #[error(
        "split leakage: {documents}; `aprendiz document index` excludes the later ones unless it has compared them already; if it excludes none, select the documents of the run without them (`documents` of the spec)"
    )]
    SplitLeak { documents: String },
    /// The next build does not include the documents.
    #[error("documents were erased while the snapshot was being built: {documents}; the next attempt builds a snapshot without them")]
    Erased { documents: String },
    /// The files of a recorded snapshot are missing, and a build from the events yields other rows.
    #[error(
        "snapshot {id} cannot be rebuilt: the events yield the canonical hash {rebuilt} and not the recorded {recorded}; restore its files in \
         the bucket, or see what differs: aprendiz dataset verify {id}"
    )]
    SnapshotChanged { id: Uuid, recorded: String, rebuilt: String },
    #[error(
        "the snapshot with the key {key} exists, but it was erased, or it is not visible because the transaction does not run at READ \
         COMMITTED; the next attempt builds another one"
    )]
    NotRecorded { key: String },
    #[error("the build was cancelled")]
    Cancelled,
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    #[error("cannot read {column} of {table} {id}: {source}")]
    BrokenRow { table: &'static str, column: &'static str, id: String, source: serde_json::Error },
    #[error("cannot write {path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("cannot write Parquet file {path}: {source}")]
    Parquet { path: PathBuf, source: ParquetError },
}

impl DatasetError {
    /// Stable error code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownField { .. } => "unknown_field",
            Self::UnknownDocuments { .. } => "unknown_documents",
            Self::NoExamples { .. } => "no_examples",
            Self::SplitLeak { .. } => "split_leak",
            Self::Erased { .. } | Self::NotRecorded { .. } => "dataset_erased",
            Self::SnapshotChanged { .. } => "snapshot_changed",
            Self::Cancelled => "cancelled",
            Self::Database(_) => "database",
            Self::BrokenRow { .. } => "broken_row",
            Self::Io { .. } | Self::Parquet { .. } => "snapshot_io",
        }
    }

    /// Whether the operation may succeed later without a change of the request or the data.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Database(error) => aprendiz_db::is_transient(error),
            Self::Io { .. } | Self::Parquet { .. } | Self::Erased { .. } | Self::NotRecorded { .. } => true,
            Self::UnknownField { .. }
            | Self::UnknownDocuments { .. }
            | Self::NoExamples { .. }
            | Self::SplitLeak { .. }
            | Self::SnapshotChanged { .. }
            | Self::Cancelled
            | Self::BrokenRow { .. } => false,
        }
    }

    /// Resumes the panic of a joined task. A task is cancelled only when the runtime shuts down.
    pub(crate) fn from_join_error(error: tokio::task::JoinError) -> Self {
        let _cancelled = aprendiz_db::resume_panic(error);
        Self::Cancelled
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_connection_is_retryable() {
        let error = DatasetError::from(sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into()));
        assert!(error.is_retryable());
        assert_eq!(error.code(), "database");
    }

    #[test]
    fn the_text_of_an_error_contains_its_cause() {
        let full = || std::io::Error::from_raw_os_error(28);
        let path = Path::new("/scratch/jsonl/train.jsonl");
        let text = DatasetError::io(path)(full()).to_string();
        assert_eq!(text, "cannot write /scratch/jsonl/train.jsonl: No space left on device (os error 28)");
        let parquet = DatasetError::parquet(path)(ParquetError::External(Box::new(full())));
        assert!(parquet.to_string().contains("No space left on device"), "{parquet}");
    }

    #[test]
    fn an_invalid_request_is_not_retryable() {
        let error = DatasetError::UnknownField { field: "colour".into(), known: "size".into() };
        assert!(!error.is_retryable());
        assert_eq!(error.to_string(), "unknown field `colour`; known fields: size");
        assert!(!DatasetError::from(sqlx::Error::RowNotFound).is_retryable());
    }
}
