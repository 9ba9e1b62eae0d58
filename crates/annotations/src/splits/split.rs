//! The split of a document.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Split of a document. It is assigned at import and does not change, except to `excluded`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "split", rename_all = "lowercase")]
pub enum Split {
    /// For learning weights.
    Train,
    /// For choosing hyperparameters and thresholds.
    Validation,
    /// For the final evaluation.
    Test,
    /// In no snapshot.
    Excluded,
}

impl Split {
    /// The name used in the database, the API and files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
            Self::Excluded => "excluded",
        }
    }
}
