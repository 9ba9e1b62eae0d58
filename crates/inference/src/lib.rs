//! What a published model directory holds, and how it answers: features, weights, labels and thresholds.
//!
//! Training writes with this crate what the API later reads with it, so both see the same features and the same numbers.
//! Loading refuses, it never guesses; predicting is pure and gives bit-identical numbers on every call. No Burn here:
//! the API links this crate.

mod config;
mod document_frequency;
mod error;
mod linear_params;
pub mod manifest;
mod model;
mod ngrams;
mod prediction;
mod rows;
mod sentence_transformer_params;
mod vectorizer;
mod weights;

pub use config::{
    CONFIG_FILE, FORMAT_VERSION, FeatureConfig, FieldConfig, KIND_LINEAR, ModelConfig, ThresholdDecision, ThresholdStatus, TrainingInfo,
    set_thresholds,
};
pub use document_frequency::DocumentFrequencies;
pub use error::ModelError;
pub use linear_params::LinearParams;
pub use manifest::Manifest;
pub use model::Model;
pub use ngrams::NgramCounter;
pub use prediction::{FieldPrediction, RankedLabel};
pub use rows::{SparseRow, SparseRows};
pub use sentence_transformer_params::{KIND_SENTENCE_TRANSFORMER, PairLoss, SentenceTransformerParams};
pub use vectorizer::Vectorizer;
pub use weights::{FieldWeights, WEIGHTS_FILE, Weights};
