//! Why a review file was not read. Nothing is left behind then.

use std::io;

use crate::import::error::ImportError;

/// Why a review file was not read.
#[derive(Debug, thiserror::Error)]
pub enum LegacyCsvError {
    /// It is no text in UTF-8.
    #[error("{what}; nothing was taken in: save it as \"CSV UTF-8\"")]
    NotText {
        /// What it seems to be.
        what: String,
    },
    /// Its first row names no field.
    #[error("{reason}; the first row names the columns, those of a field end with _pred, _gold or _status")]
    BadHeader {
        /// What is wrong with it.
        reason: String,
    },
    /// A row is longer than can be looked at.
    #[error(
        "row {row} (the first after the names is 1) has more than {limit} bytes; nothing was taken in: look for a quote that is not closed there, or in the row before"
    )]
    RowTooLong {
        /// Its number.
        row: u64,
        /// The bound, in bytes.
        limit: u64,
    },
    /// The whole file is longer than allowed.
    #[error("the file has more than {limit} bytes; nothing was taken in: split it")]
    TooLarge {
        /// The bound, in bytes.
        limit: u64,
    },
    /// The input could not be read.
    #[error("cannot read the input: {0}; nothing was taken in")]
    Read(#[source] io::Error),
    /// A document could not be taken in.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// Postgres did not answer or refused.
    #[error("database: {0}; nothing was taken in")]
    Database(#[from] sqlx::Error),
}

impl LegacyCsvError {
    /// A stable name, for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotText { .. } => "not_text",
            Self::BadHeader { .. } => "bad_header",
            Self::RowTooLong { .. } | Self::TooLarge { .. } => "too_large",
            Self::Read(_) => "read_failed",
            Self::Import(error) => error.code(),
            Self::Database(_) => "database",
        }
    }
}
