//! Errors of a file as a whole. A single broken task is quarantined instead.

use std::io;

use crate::parse::problems::describe;

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The JSON is malformed.
    #[error(
        "malformed JSON at byte {byte_offset} in task {task_index} (from 0): {reason}; repair the file there or export it again",
        reason = describe(source)
    )]
    InvalidJson {
        /// Offset in the file after decompression.
        byte_offset: u64,
        /// Index of the task in the file.
        task_index: u64,
        /// What was expected.
        source: serde_json::Error,
    },
    /// The file ends too early.
    #[error("the {what} ends too early, after {byte_offset} bytes, in task {task_index} (from 0); download or export the file again")]
    Truncated {
        /// `gzip stream` or `JSON`.
        what: &'static str,
        /// Bytes read so far, after decompression.
        byte_offset: u64,
        /// Index of the task in the file.
        task_index: u64,
    },
    /// The compressed file is damaged.
    #[error("damaged gzip stream after {byte_offset} bytes: {source}; download or export the file again")]
    DamagedGzip {
        /// Bytes read so far, after decompression.
        byte_offset: u64,
        /// Error of the decompressor.
        source: io::Error,
    },
    /// Not a Label Studio JSON export.
    #[error("expected a JSON array of tasks, found {found}; export the project as JSON")]
    NotAnArray {
        /// What the file starts with.
        found: &'static str,
    },
    /// A limit was exceeded.
    #[error("{what} is larger than {limit} bytes, in task {task_index} (from 0); split the file or raise the limit")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit in bytes.
        limit: u64,
        /// Index of the task in the file.
        task_index: u64,
    },
    /// The input could not be read.
    #[error("cannot read the input after {bytes_read} bytes: {source}")]
    Io {
        /// Bytes read so far.
        bytes_read: u64,
        /// The error of the reader.
        source: io::Error,
    },
}

impl ReadError {
    /// Stable error code for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidJson { .. } => "invalid_json",
            Self::Truncated { .. } => "truncated",
            Self::DamagedGzip { .. } => "damaged_gzip",
            Self::NotAnArray { .. } => "not_an_array",
            Self::TooLarge { .. } => "too_large",
            Self::Io { .. } => "read_failed",
        }
    }

    /// Whether the file is at fault, not the reader of its bytes.
    #[must_use]
    pub const fn is_client_fault(&self) -> bool {
        !matches!(self, Self::Io { .. })
    }
}
