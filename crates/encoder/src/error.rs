//! Errors of reading, using and writing encoders.

use std::{io, path::PathBuf};

use aprendiz_inference::ModelError;

/// An error with the affected file or name and the reason.
#[derive(Debug, thiserror::Error)]
pub enum EncoderError {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file exists but is not supported or malformed.
    #[error("{}: {reason}", path.display())]
    Rejected {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what is expected.
        reason: String,
    },
    /// The base model was not found.
    #[error("base model `{name}` not found: {reason}")]
    UnknownBaseModel {
        /// The requested name.
        name: String,
        /// Where it was searched, and how to get it.
        reason: String,
    },
    /// The back end failed.
    #[error("the back end failed: {0}")]
    Backend(String),
    /// The manifest of a written directory could not be written.
    #[error(transparent)]
    Manifest(#[from] ModelError),
}

impl EncoderError {
    /// Stable, machine-readable error code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } | Self::Manifest(ModelError::Io { .. }) => "io",
            Self::Rejected { .. } => "bad_base_model",
            Self::UnknownBaseModel { .. } => "unknown_base_model",
            Self::Backend(_) => "backend",
            Self::Manifest(_) => "bad_model",
        }
    }

    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn rejected(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Rejected { path: path.into(), reason: reason.into() }
    }
}
