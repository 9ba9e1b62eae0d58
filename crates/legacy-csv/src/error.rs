//! Errors of a review file as a whole. A single broken row is quarantined instead.

use std::io;

/// Why a review file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file is not UTF-8 text.
    #[error("{what}; save it as \"CSV UTF-8\"")]
    NotText {
        /// What it looks like.
        what: String,
    },
    /// The header has no field column.
    #[error("{reason}; the first row names the columns, and the columns of a field end with _pred, _gold or _status")]
    BadHeader {
        /// What is wrong.
        reason: String,
    },
    /// A row exceeds the size limit.
    #[error(
        "row {row} (the first after the header is 1) has more than {limit} bytes; look for an unclosed quote there, or in the row before"
    )]
    RowTooLong {
        /// Number of the row.
        row: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The file exceeds the size limit.
    #[error("the file has more than {limit} bytes; split it")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The input could not be read.
    #[error("cannot read the input: {0}")]
    Io(#[source] io::Error),
}

impl ReadError {
    /// Stable error code for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotText { .. } => "not_text",
            Self::BadHeader { .. } => "bad_header",
            Self::RowTooLong { .. } | Self::TooLarge { .. } => "too_large",
            Self::Io(_) => "read_failed",
        }
    }
}
