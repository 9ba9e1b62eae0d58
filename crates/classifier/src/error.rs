//! Errors of model directories and of prediction.

use std::path::{Path, PathBuf};

use aprendiz_encoder::EncoderError;
use aprendiz_inference::ModelError;

/// Why a classifier cannot be read, written or used.
#[derive(Debug, thiserror::Error)]
pub enum ClassifierError {
    /// A file cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file is malformed or does not fit the others.
    #[error("{path}: {reason}", path = path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The directory does not match its manifest.
    #[error(transparent)]
    Manifest(#[from] ModelError),
    /// The encoder cannot be read, or its back end fails.
    #[error(transparent)]
    Encoder(#[from] EncoderError),
}

impl ClassifierError {
    pub(crate) fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn invalid(path: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        Self::Invalid { path: path.as_ref().to_owned(), reason: reason.into() }
    }
}
