//! Errors of training and evaluation, each with a stable code.

use std::{io, path::PathBuf};

use aprendiz_classifier::ClassifierError;
use aprendiz_encoder::EncoderError;
use aprendiz_inference::ModelError;

/// An error of training or evaluation. Its [code](Self::code) is stored with the attempt, so that failures can be counted by cause.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// A parameter is invalid, or the job file cannot be parsed.
    #[error("{0}")]
    BadParams(String),
    /// The snapshot is malformed.
    #[error("{}{}: {reason}", path.display(), line.map(|line| format!(", line {line}")).unwrap_or_default())]
    BadDataset {
        /// The file.
        path: PathBuf,
        /// The malformed line, from 1, if it is known.
        line: Option<usize>,
        /// What is wrong.
        reason: String,
    },
    /// Every field was skipped.
    #[error("no field can be trained: {}", reasons.join("; "))]
    NoTrainableField {
        /// The fields, each with the reason.
        reasons: Vec<String>,
    },
    /// The loss of a linear head is not finite.
    #[error("the loss of field `{field}` is not finite; a larger l2 may help")]
    NonFiniteLoss {
        /// The field.
        field: String,
    },
    /// The loss of an encoder is not finite.
    #[error("the loss is not finite at step {step}; a smaller learning_rate may help")]
    Diverged {
        /// The step, from 1.
        step: u64,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The model directory could not be written or read back.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The base model cannot be used, or the encoder cannot be written.
    #[error(transparent)]
    Encoder(#[from] EncoderError),
    /// A field classifier could not be written or read back.
    #[error(transparent)]
    Classifier(#[from] ClassifierError),
    /// The back end failed.
    #[error("the {backend} back end failed: {reason}")]
    Backend {
        /// Name of the back end.
        backend: &'static str,
        /// Error message of the back end.
        reason: String,
    },
}

impl TrainingError {
    /// Stable, machine-readable error code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadParams(_) => "bad_params",
            Self::BadDataset { .. } => "bad_dataset",
            Self::NoTrainableField { .. } => "no_trainable_field",
            Self::NonFiniteLoss { .. } | Self::Diverged { .. } => "non_finite_loss",
            Self::Io { .. } | Self::Model(ModelError::Io { .. }) => "io",
            Self::Model(_) => "bad_model",
            Self::Encoder(error) | Self::Classifier(ClassifierError::Encoder(error)) => error.code(),
            Self::Classifier(ClassifierError::Io { .. }) => "io",
            Self::Classifier(_) => "bad_model",
            Self::Backend { .. } => "backend",
        }
    }

    /// Whether a retry with the same input may succeed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self.code(), "io")
    }

    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
