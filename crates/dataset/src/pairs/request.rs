//! Which pairs a snapshot holds.

use serde::{Deserialize, Serialize};

/// What a pair is made of, besides the text of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PairSide {
    /// A label, as it is written.
    Values,
    /// The text of another document.
    Texts,
}

/// How pairs are drawn. Part of the key of the snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairsRequest {
    /// Sorted, without repetition, at least one.
    pub of: Vec<PairSide>,
    /// At most so many texts of each label of a field take part, per split; each gives one pair of its own label and one of another,
    /// for each of `of`.
    pub per_label: u32,
    /// The other label is the one whose text is most like this one, of some that were drawn, and not any.
    pub hard_negatives: bool,
    /// Characters of a text that are kept, from its beginning. An encoder reads no more than its window.
    pub max_chars: u32,
    pub seed: u64,
}

impl Default for PairsRequest {
    fn default() -> Self {
        Self { of: vec![PairSide::Values, PairSide::Texts], per_label: 64, hard_negatives: false, max_chars: 2_000, seed: 42 }
    }
}
