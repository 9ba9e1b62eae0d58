//! Errors of the object store.

use std::path::Path;

/// An operation on the object store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The bucket does not exist.
    #[error("bucket `{0}` does not exist: create it, or set APRENDIZ_BUCKET to an existing one")]
    MissingBucket(String),
    /// The object does not exist.
    #[error("object `{0}` does not exist")]
    MissingObject(String),
    /// The content of an object differs from what was uploaded.
    #[error("object `{key}` is corrupted: expected sha256 {expected}, got {found}")]
    ChecksumMismatch {
        /// Object key.
        key: String,
        /// Recorded hash.
        expected: String,
        /// Hash of the received content.
        found: String,
    },
    /// The store rejected the request, and would reject it again.
    #[error("the object store rejects {operation}: {reason}")]
    Rejected {
        /// The attempted operation.
        operation: String,
        /// Status, code and message of the store, and the way out.
        reason: String,
    },
    /// The store did not respond, or its response may change.
    #[error("object store error while {operation}: {cause}")]
    Unavailable {
        /// The attempted operation.
        operation: String,
        /// The error of the connection or the store, and the way out.
        cause: String,
    },
    /// A setting cannot be used.
    #[error("{variable}: {problem}")]
    Setting {
        /// Variable that sets it.
        variable: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A local file could not be read or written.
    #[error("file `{path}`: {source}")]
    File {
        /// Path of the file.
        path: String,
        /// I/O error.
        source: std::io::Error,
    },
}

impl StoreError {
    /// Whether a retry may succeed. A missing bucket counts: an operator can create it without changing the run.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        !matches!(self, Self::MissingObject(_) | Self::Rejected { .. } | Self::Setting { .. })
    }

    pub(crate) fn file(path: &Path, source: std::io::Error) -> Self {
        Self::File { path: path.display().to_string(), source }
    }
}
