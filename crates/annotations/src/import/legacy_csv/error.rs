//! Errors of importing a legacy review file. A failed import leaves nothing behind.

use aprendiz_legacy_csv::ReadError;

use crate::import::error::ImportError;

/// Why a review file was not imported.
#[derive(Debug, thiserror::Error)]
pub enum LegacyCsvError {
    /// The file is invalid or cannot be read.
    #[error("nothing was imported: {0}")]
    File(#[from] ReadError),
    /// The time of reviews without their own lies in the future.
    #[error(
        "nothing was imported: reviewed_at {reason}; these reviews would override later ones: set reviewed_at, and correct the clock that wrote it"
    )]
    FutureReviews {
        /// The time, and the way out.
        reason: String,
    },
    /// A document cannot be imported.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// Postgres is unavailable, or rejected a statement.
    #[error("nothing was imported: database: {0}")]
    Database(#[from] sqlx::Error),
}

impl LegacyCsvError {
    /// Stable error code for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::File(error) => error.code(),
            Self::FutureReviews { .. } => "invalid_query",
            Self::Import(error) => error.code(),
            Self::Database(_) => "database",
        }
    }
}
