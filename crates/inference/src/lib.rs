//! Linear models: feature extraction, the model directory (configuration, weights, manifest), and prediction.
//!
//! Training writes model directories with this crate and the API reads them with it, so both compute identical features. Loading rejects
//! every inconsistency. Prediction is pure and bit-identical on every call. The API links this crate, so it must not depend on Burn.

mod config;
mod error;
mod features;
mod files;
pub mod manifest;
mod model;
mod prediction;
pub mod protocol;
mod published_fields;
mod score_curves;
mod thresholds;
mod weights;
mod word_evidence;

pub use config::{CONFIG_FILE, FORMAT_VERSION, FieldConfig, KIND_LINEAR, ModelConfig, ThresholdStatus, TrainingInfo};
pub use error::ModelError;
pub use features::{DocumentFrequencies, FEATURES_VERSION, FeatureConfig, NgramCounter, SparseRow, SparseRows, Vectorizer};
pub use manifest::Manifest;
pub use model::Model;
pub use prediction::{FieldPrediction, RankedLabel};
pub use published_fields::PublishedFields;
pub use score_curves::{SCORE_CURVES_FILE, ScoreCurves};
pub use thresholds::{ThresholdDecision, decide_thresholds, set_thresholds};
pub use weights::{FieldWeights, RawTensor, WEIGHTS_FILE, Weights};
pub use word_evidence::WordEvidence;
