//! Selected fields that are excluded from training, with the reason.

use serde::{Deserialize, Serialize};

/// A selected field that is exported but not trained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExcludedField {
    pub field: String,
    pub reason: ExclusionReason,
}

/// Why a field is excluded from training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExclusionReason {
    /// The field is not categorical.
    Kind,
    /// The field can hold several values at once.
    ManyValues,
    /// The field has no review in the selected documents.
    NoValues,
    /// Fewer than two labels have enough examples.
    OneClass,
    /// Labels have enough examples, but these are near-duplicates, which count once.
    Copies,
    /// At least two labels have enough examples, but fewer than two of these occur in train.
    NotInTrain,
}

impl ExclusionReason {
    /// The reason as a phrase for messages.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Kind => "not a categorical field",
            Self::ManyValues => "the field can hold several values",
            Self::NoValues => "no reviewed value in the selected documents",
            Self::OneClass => "fewer than two labels have enough examples",
            Self::Copies => "its labels have enough examples only if near-duplicates are counted separately",
            Self::NotInTrain => "its labels have enough examples, but fewer than two of them occur in the train split",
        }
    }
}
