//! Results of a training.

use serde::{Deserialize, Serialize};

use crate::protocol::{encoder_report::PairMetrics, learning_curve::TrainingCurve};

/// Outcome of a training that did not fail.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The model was written.
    Trained(Box<TrainingSummary>),
    /// Training stopped on request.
    Stopped {
        /// Completed steps, as in [`Event::Stopped`](crate::Event::Stopped).
        step: u64,
    },
}

/// Results of a training job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingSummary {
    /// Documents in the train split.
    pub train_documents: u64,
    /// Documents that the measured model is fitted on.
    #[serde(default)]
    pub measured_documents: u64,
    /// Documents that the published model is fitted on.
    #[serde(default)]
    pub published_documents: u64,
    /// Documents in the validation split.
    pub validation_documents: u64,
    /// Features in the vocabulary.
    pub features: u64,
    /// Trained fields, sorted by name.
    pub fields: Vec<FieldSummary>,
    /// Skipped fields with the reason.
    pub skipped: Vec<FieldSkipped>,
    /// Results of encoder training, for that kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<Box<EncoderSummary>>,
    /// The learning curve, if the parameters request it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_curve: Option<TrainingCurve>,
    /// Settings of the training with their resolved values: what defaults, grids and data decided.
    #[serde(default)]
    pub settings: serde_json::Value,
    /// Back end.
    pub backend: String,
    /// CPU kernel.
    pub cpu_kernel: String,
    /// Steps of the whole training: epochs of all solves, or updates of an encoder. Does not depend on interruptions.
    pub steps: u64,
    /// Step of the checkpoint from which training resumed.
    #[serde(default)]
    pub resumed_from_step: Option<u64>,
    /// Duration in seconds, since the last interruption.
    pub seconds: f64,
}

/// A field that was not trained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldSkipped {
    /// The field.
    pub field: String,
    /// Why it was skipped.
    pub reason: String,
}

/// Results of one field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldSummary {
    /// The field.
    pub field: String,
    /// Training examples that have a class.
    pub train_examples: u64,
    /// Classes of the head.
    pub classes: u64,
    /// L2 penalty, as given or as chosen by cross-validation.
    pub l2: f64,
    /// Folds of the out-of-fold scores; 0 if there are too few groups.
    pub folds: u64,
    /// Partitions into folds over which the out-of-fold scores are averaged; 0 if there are too few groups.
    #[serde(default)]
    pub fold_repeats: u64,
    /// Out-of-fold accuracy.
    pub out_of_fold_accuracy: Option<f64>,
    /// Out-of-fold log loss.
    pub out_of_fold_log_loss: Option<f64>,
    /// Validation examples.
    pub validation_examples: u64,
    /// Accuracy on the validation split.
    pub validation_accuracy: Option<f64>,
    /// Log loss on the validation split.
    pub validation_log_loss: Option<f64>,
}

/// Results of encoder training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EncoderSummary {
    /// Training pairs.
    pub pairs: u64,
    /// Distinct texts in the training pairs.
    pub texts: u64,
    /// Validation pairs; pairs that differ only in near-duplicates count once.
    pub validation_pairs: u64,
    /// Validation pairs that were left out as copies.
    #[serde(default)]
    pub validation_copies: u64,
    /// Completed epochs.
    pub epochs: u64,
    /// Epoch whose weights were kept, from 1; `None` if validation could not select one.
    pub best_epoch: Option<u64>,
    /// Validation metrics of the base model.
    pub base: Option<PairMetrics>,
    /// Validation metrics of the kept weights.
    pub trained: Option<PairMetrics>,
}
