//! Errors of imports. A failed import leaves nothing behind.

use aprendiz_label_studio::ReadError;
use uuid::Uuid;

/// Why an import failed.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file is invalid or cannot be read.
    #[error("nothing was imported: {0}")]
    File(#[from] ReadError),
    /// An option is invalid.
    #[error("option {option}: {reason}")]
    InvalidOption {
        /// Name of the option.
        option: &'static str,
        /// What is valid.
        reason: String,
    },
    /// A document is erased: the document to create, or one of a file, erased while the file was read.
    #[error("nothing was imported: document {document} is permanently erased; import the rest without it")]
    Erased {
        /// Source, project and task id of the document.
        document: String,
    },
    /// A single document is invalid.
    #[error("{part}: {reason}")]
    InvalidDocument {
        /// The invalid part.
        part: &'static str,
        /// What is valid.
        reason: String,
    },
    /// A single document already exists with other content.
    #[error(
        "document {document} already exists as {id} with another text, file name or metadata; use another id, or change it by an import"
    )]
    DocumentExists {
        /// Source, project and task id of the document.
        document: String,
        /// Id of the document.
        id: Uuid,
    },
    /// Postgres is unavailable, or rejected a statement.
    #[error("nothing was imported: database: {0}")]
    Database(#[from] sqlx::Error),
}

impl ImportError {
    /// Stable error code for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::File(error) => error.code(),
            Self::InvalidOption { .. } => "invalid_option",
            Self::Erased { .. } => "document_erased",
            Self::InvalidDocument { .. } => "invalid_document",
            Self::DocumentExists { .. } => "document_exists",
            Self::Database(_) => "database",
        }
    }

    /// Whether the file or the request is at fault, not this installation.
    #[must_use]
    pub const fn is_client_fault(&self) -> bool {
        match self {
            Self::File(error) => error.is_client_fault(),
            Self::Database(_) => false,
            _ => true,
        }
    }
}
