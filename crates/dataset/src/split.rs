//! The three splits of a dataset.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Split of an example, in the order used by snapshots and by the database enum.
///
/// The database enum has a fourth value, `excluded`: such documents are counted but never become examples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[schema(as = SnapshotSplit)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "split", rename_all = "lowercase")]
pub enum Split {
    /// For learning weights.
    Train,
    /// For choosing hyperparameters and thresholds.
    Validation,
    /// For the final evaluation.
    Test,
}

impl Split {
    /// All splits, in order.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// Name used in file names, rows and the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

impl std::fmt::Display for Split {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
