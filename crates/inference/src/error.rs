//! Errors of reading and writing model directories.

use std::{io, path::PathBuf};

/// A model directory is invalid, or an I/O operation failed. The message names the file and the reason.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// An I/O operation failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// Path of the file.
        path: PathBuf,
        /// I/O error.
        source: io::Error,
    },
    /// The file is invalid or not supported by this version.
    #[error("{}: {reason}", path.display())]
    Invalid {
        /// Path of the file.
        path: PathBuf,
        /// Why it is invalid.
        reason: String,
    },
    /// The model does not have this field.
    #[error("unknown field `{field}`, the model has: {}", known.join(", "))]
    UnknownField {
        /// Requested field.
        field: String,
        /// Fields of the model.
        known: Vec<String>,
    },
}

impl ModelError {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn invalid(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Invalid { path: path.into(), reason: reason.into() }
    }
}
