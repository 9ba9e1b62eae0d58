//! Implements [`Trainable`] for the kind `linear`.

use burn::tensor::Device;
use inference::LinearParams;

use crate::{
    checkpoint::training_state::TrainingState,
    error::TrainingError,
    interrupt::Interrupt,
    kinds::{
        linear::train::train,
        trainable::{Trainable, file_sha256},
    },
    protocol::{job::TrainingJob, summary::TrainingSummary},
};

impl Trainable for LinearParams {
    fn to_json(&self) -> serde_json::Result<serde_json::Value> {
        serde_json::to_value(self)
    }

    fn input_hashes(&self, job: &TrainingJob) -> Result<String, TrainingError> {
        Ok(format!("train {}, labels {}", file_sha256(&job.train)?, file_sha256(&job.labels)?))
    }

    fn train(&self, job: &TrainingJob, device: Device, training_state: &mut TrainingState<'_>) -> Result<TrainingSummary, Interrupt> {
        train(job, self, device, training_state)
    }
}
