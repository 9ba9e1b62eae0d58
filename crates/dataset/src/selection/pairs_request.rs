//! Which text pairs a snapshot holds.

use serde::{Deserialize, Serialize};

/// What the text of a document is paired with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PairSide {
    /// The name of a label.
    Values,
    /// The text of another document.
    Texts,
}

/// How pairs are drawn. Part of the snapshot key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairsRequest {
    /// Sorted, without duplicates, at least one.
    pub of: Vec<PairSide>,
    /// Maximum number of texts sampled per label of a field and split.
    ///
    /// For each side in `of`, every sampled text yields one positive and one negative pair.
    pub per_label: u32,
    /// Whether to choose the most similar of several random negatives instead of a single random one.
    pub hard_negatives: bool,
    /// Texts are truncated to this many characters. An encoder reads no more than its context window.
    pub max_chars: u32,
    pub seed: u64,
}

impl Default for PairsRequest {
    fn default() -> Self {
        Self { of: vec![PairSide::Values, PairSide::Texts], per_label: 64, hard_negatives: false, max_chars: 2_000, seed: 42 }
    }
}
