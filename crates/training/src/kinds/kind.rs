//! The kinds of model that can be trained.

use serde::{Deserialize, Serialize};

/// A kind of model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// One linear head per field on n-gram features.
    Linear,
    /// A sentence encoder, fine-tuned from a base model.
    SentenceTransformer,
}

impl Kind {
    /// Name of the kind.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear => inference::KIND_LINEAR,
            Self::SentenceTransformer => inference::KIND_SENTENCE_TRANSFORMER,
        }
    }
}
