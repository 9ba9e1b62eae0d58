//! The interface that each kind of model implements for its parameters.

use std::path::Path;

use aprendiz_inference::manifest::hash_file;
use burn::tensor::Device;

use crate::{
    checkpoint::training_state::TrainingState,
    error::TrainingError,
    interrupt::Interrupt,
    protocol::{job::TrainingJob, summary::TrainingSummary},
};

/// Validated parameters of a kind, from which a model can be trained.
pub(crate) trait Trainable: Send + Sync {
    /// Names and hashes of the input files that decide the result. The validation file is included only if it controls early stopping.
    fn input_hashes(&self, job: &TrainingJob) -> Result<String, TrainingError>;

    /// Trains the model of a job and writes it to the output folder of the job.
    fn train(&self, job: &TrainingJob, device: Device, training_state: &mut TrainingState<'_>) -> Result<TrainingSummary, Interrupt>;
}

/// SHA-256 of a file, as hexadecimal digits.
pub(crate) fn file_sha256(path: &Path) -> Result<String, TrainingError> {
    Ok(hash_file(path)?.1)
}
