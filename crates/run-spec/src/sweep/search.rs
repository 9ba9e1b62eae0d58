//! How a sweep chooses the combinations of its trials.

use serde::{Deserialize, Serialize};

/// Maximum number of trials of a sweep.
pub(super) const MAX_TRIALS: usize = 200;

/// How combinations are chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Search {
    /// All combinations.
    #[default]
    Grid,
    /// `trials` combinations, drawn with the seed of the run.
    Random,
}
