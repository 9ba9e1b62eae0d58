//! Why an import failed. Every failure leaves nothing behind.

use std::io;

use uuid::Uuid;

/// Why an import failed.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The JSON is malformed.
    #[error(
        "malformed JSON at byte {byte_offset}, in task {task_index} (from 0): {source}; nothing was imported: repair the file there or export it again"
    )]
    InvalidJson {
        /// Place in the file after decompression.
        byte_offset: u64,
        /// Place of the task in the file.
        task_index: u64,
        /// What was expected.
        source: serde_json::Error,
    },
    /// The file ends too early.
    #[error(
        "the {what} ends too early, after {byte_offset} bytes, in task {task_index} (from 0); nothing was imported: the file was cut off, fetch or export it again"
    )]
    Truncated {
        /// `gzip stream` or `JSON`.
        what: &'static str,
        /// Bytes read until there, after decompression.
        byte_offset: u64,
        /// Place of the task in the file.
        task_index: u64,
    },
    /// The compressed file is damaged.
    #[error("damaged gzip stream after {byte_offset} bytes: {source}; nothing was imported: fetch or export the file again")]
    DamagedGzip {
        /// Bytes read until there, after decompression.
        byte_offset: u64,
        /// What the decompressor says.
        source: io::Error,
    },
    /// Not a Label Studio JSON export.
    #[error("expected a JSON array of tasks, found {found}: export the project as JSON")]
    NotAnArray {
        /// What the file starts with.
        found: &'static str,
    },
    /// A bound was exceeded.
    #[error("{what} is larger than {limit} bytes, in task {task_index} (from 0); nothing was imported: split the file or raise the limit")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The bound, in bytes.
        limit: u64,
        /// Place of the task in the file.
        task_index: u64,
    },
    /// An option cannot be.
    #[error("option {option}: {reason}")]
    InvalidOption {
        /// Its name.
        option: &'static str,
        /// What would be right.
        reason: &'static str,
    },
    /// A document was erased: by itself, or while the file that holds it was read.
    #[error("document {document} was erased for ever; nothing was taken in: import the rest without it")]
    Erased {
        /// Its source, project and task id.
        document: String,
    },
    /// A document by itself cannot be.
    #[error("{part}: {reason}")]
    InvalidDocument {
        /// Which part.
        part: &'static str,
        /// What would be right.
        reason: String,
    },
    /// A document by itself is there with other content.
    #[error(
        "document {document} is there with another text, file name or metadata, as {id}: give it another id, or import it again to change it"
    )]
    DocumentExists {
        /// Its source, project and task id.
        document: String,
        /// Its id.
        id: Uuid,
    },
    /// The input could not be read.
    #[error("cannot read the input after {bytes_read} bytes: {source}; nothing was imported")]
    Read {
        /// Bytes read until there.
        bytes_read: u64,
        /// Why.
        source: io::Error,
    },
    /// Postgres did not answer or refused.
    #[error("database: {0}; nothing was imported")]
    Database(#[from] sqlx::Error),
}

impl ImportError {
    /// A stable name, for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidJson { .. } => "invalid_json",
            Self::Truncated { .. } => "truncated",
            Self::DamagedGzip { .. } => "damaged_gzip",
            Self::NotAnArray { .. } => "not_an_array",
            Self::TooLarge { .. } => "too_large",
            Self::InvalidOption { .. } => "invalid_option",
            Self::Erased { .. } => "document_erased",
            Self::InvalidDocument { .. } => "invalid_document",
            Self::DocumentExists { .. } => "document_exists",
            Self::Read { .. } => "read_failed",
            Self::Database(_) => "database",
        }
    }

    /// Whether the file or the request is wrong, and not this installation.
    #[must_use]
    pub const fn is_client_fault(&self) -> bool {
        !matches!(self, Self::Read { .. } | Self::Database(_))
    }
}
