//! Why the work on a training ends before its model is there.

use crate::error::TrainingError;

/// What breaks off a training.
#[derive(Debug)]
pub(crate) enum Halt {
    /// It was asked to stop.
    Stopped,
    /// The checkpoint it continues from does not fit; it can begin anew without.
    Unfit(String),
    /// It failed.
    Failed(TrainingError),
}

impl From<TrainingError> for Halt {
    fn from(error: TrainingError) -> Self {
        Self::Failed(error)
    }
}
