//! Learning curve in the summary of a training: how well models of parts of the train split predict the validation split.

use serde::{Deserialize, Serialize};

/// Nested parts of the train split, ascending; the last one is all of it, whose model is that of the run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrainingCurve {
    /// The parts; empty if the validation split has no example to measure with.
    pub parts: Vec<CurvePart>,
}

/// A part of the train split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurvePart {
    /// Expected share of the groups of near-duplicates, in percent.
    pub percent: u64,
    /// Documents of the part.
    pub train_documents: u64,
    /// Fields that could be trained on it and have a validation example, sorted by name.
    pub fields: Vec<FieldCounts>,
    /// All fields together; `None` unless every measured field of the model is among them.
    pub overall: Option<CurveCounts>,
}

/// Counts of one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldCounts {
    /// The field.
    pub field: String,
    /// Its counts.
    #[serde(flatten)]
    pub counts: CurveCounts,
}

/// What a model was trained on, and how many validation examples it predicts correctly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurveCounts {
    /// Training examples that have a class.
    pub train_examples: u64,
    /// Validation examples.
    pub examples: u64,
    /// Independent ones among them: near-duplicates count once.
    pub n: u64,
    /// Correct predictions.
    pub correct: u64,
}
