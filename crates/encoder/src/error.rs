//! Why an encoder cannot be read, used or written.

use std::{io, path::PathBuf};

use inference::ModelError;

/// Every refusal names the file or the name, and the reason.
#[derive(Debug, thiserror::Error)]
pub enum EncoderError {
    /// The file system said no.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file is there, but is not what this version of the program can use.
    #[error("{}: {reason}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what would be right.
        reason: String,
    },
    /// The weights to start from are nowhere to be found.
    #[error("base model `{name}` is not there: {reason}")]
    UnknownBaseModel {
        /// What was asked for.
        name: String,
        /// Where was looked, and how to get it.
        reason: String,
    },
    /// The arithmetic failed.
    #[error("the back end failed: {0}")]
    Backend(String),
    /// The manifest of an exported directory could not be written.
    #[error(transparent)]
    Manifest(#[from] ModelError),
}

impl EncoderError {
    /// Stable, machine-readable cause.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } | Self::Manifest(ModelError::Io { .. }) => "io",
            Self::Refused { .. } => "bad_base_model",
            Self::UnknownBaseModel { .. } => "unknown_base_model",
            Self::Backend(_) => "backend",
            Self::Manifest(_) => "bad_model",
        }
    }

    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn refused(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Refused { path: path.into(), reason: reason.into() }
    }
}
