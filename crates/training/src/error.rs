//! Why a training run ends without a model, each with a stable code.

use std::{io, path::PathBuf};

use encoder::EncoderError;
use inference::ModelError;

/// An error of training. Its [code](Self::code) is stored with the attempt, so that failures can be counted by cause.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// A parameter is out of range, or the job file is not understood.
    #[error("{0}")]
    BadParams(String),
    /// The snapshot is not what the contract says.
    #[error("{}{}: {reason}", path.display(), line.map(|line| format!(", line {line}")).unwrap_or_default())]
    BadDataset {
        /// The file.
        path: PathBuf,
        /// Line in it, from 1, where one is to blame.
        line: Option<usize>,
        /// What is wrong.
        reason: String,
    },
    /// Every field was left out.
    #[error("no field can be trained: {}", reasons.join("; "))]
    NoTrainableField {
        /// Each field with the reason.
        reasons: Vec<String>,
    },
    /// The computation left the range of numbers.
    #[error("the loss of field `{field}` is not finite; a larger l2 may help")]
    NonFiniteLoss {
        /// The field.
        field: String,
    },
    /// The loss of an encoder left the range of numbers.
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
        /// What the operating system said.
        source: io::Error,
    },
    /// The model directory could not be written or read back.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The base model cannot be used, or the trained one not be written.
    #[error(transparent)]
    Encoder(#[from] EncoderError),
    /// The back end that does the arithmetic refused.
    #[error("the {backend} back end failed: {reason}")]
    Backend {
        /// Its name.
        backend: &'static str,
        /// What it said.
        reason: String,
    },
}

impl TrainingError {
    /// Stable, machine-readable cause.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadParams(_) => "bad_params",
            Self::BadDataset { .. } => "bad_dataset",
            Self::NoTrainableField { .. } => "no_trainable_field",
            Self::NonFiniteLoss { .. } | Self::Diverged { .. } => "non_finite_loss",
            Self::Io { .. } | Self::Model(ModelError::Io { .. }) => "io",
            Self::Model(_) => "bad_model",
            Self::Encoder(error) => error.code(),
            Self::Backend { .. } => "backend",
        }
    }

    /// Whether another attempt with the same input may succeed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self.code(), "io")
    }

    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
