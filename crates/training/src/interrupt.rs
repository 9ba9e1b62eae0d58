//! Reasons for which training stops before the model is written.

use crate::error::TrainingError;

/// Ends a training early.
#[derive(Debug)]
pub(crate) enum Interrupt {
    /// The caller requested a stop.
    Stopped,
    /// The time budget of a part of the training is used up.
    OutOfTime,
    /// The checkpoint does not fit this job. Training can restart without it.
    IncompatibleCheckpoint(String),
    /// Training failed.
    Failed(TrainingError),
}

impl From<TrainingError> for Interrupt {
    fn from(error: TrainingError) -> Self {
        Self::Failed(error)
    }
}
