//! What came of a training.

use serde::{Deserialize, Serialize};

use crate::{field_task::FieldSkipped, sentence_transformer::PairFigures};

/// How a training ended that did not fail.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The model is written.
    Trained(TrainingSummary),
    /// It was asked to stop.
    Stopped {
        /// Steps so far, as in [`Event::Stopped`](crate::Event::Stopped).
        step: u64,
    },
}

/// What came of a training job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingSummary {
    /// Documents in the train split.
    pub train_documents: u64,
    /// Documents in the validation split.
    pub validation_documents: u64,
    /// Features kept.
    pub features: u64,
    /// The fields trained, by name.
    pub fields: Vec<FieldSummary>,
    /// The fields left out, and why.
    pub skipped: Vec<FieldSkipped>,
    /// The encoder, where one was trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<Box<EncoderSummary>>,
    /// Back end that computed.
    pub backend: String,
    /// CPU kernel it ran on.
    pub cpu_kernel: String,
    /// Passes of the solver over the examples, or updates of the encoder, in the whole training: as many as if it had never been
    /// interrupted.
    pub steps: u64,
    /// Steps that the checkpoint held which was taken up.
    #[serde(default)]
    pub resumed_from_step: Option<u64>,
    /// Time it took, since the last interruption.
    pub seconds: f64,
}

/// What came of one field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldSummary {
    /// The field.
    pub field: String,
    /// Training examples with a class.
    pub train_examples: u64,
    /// Classes learned.
    pub classes: u64,
    /// Strength of the penalty, given or chosen out of fold.
    pub l2: f64,
    /// Folds of the out-of-fold scores; 0 where there are too few groups.
    pub folds: u64,
    /// Accuracy out of fold.
    pub out_of_fold_accuracy: Option<f64>,
    /// Log loss out of fold.
    pub out_of_fold_log_loss: Option<f64>,
    /// Validation examples.
    pub validation_examples: u64,
    /// Accuracy on validation.
    pub validation_accuracy: Option<f64>,
    /// Log loss on validation.
    pub validation_log_loss: Option<f64>,
}

/// What came of an encoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EncoderSummary {
    /// Pairs it learned from.
    pub pairs: u64,
    /// Distinct texts of them.
    pub texts: u64,
    /// Pairs that chose the epoch.
    pub validation_pairs: u64,
    /// Epochs that were trained.
    pub epochs: u64,
    /// The one whose weights were kept, from 1; `None` where validation could not tell.
    pub best_epoch: Option<u64>,
    /// Figures of the base model on validation.
    pub base: Option<PairFigures>,
    /// Figures of the kept weights on validation.
    pub trained: Option<PairFigures>,
}
