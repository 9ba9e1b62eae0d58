//! Implements [`Trainable`] for the kind `auto`.

use aprendiz_run_spec::AutoParams;
use burn::tensor::Device;

use crate::{
    checkpoint::training_state::TrainingState,
    error::TrainingError,
    interrupt::Interrupt,
    kinds::{auto::train::train, trainable::Trainable},
    protocol::{job::TrainingJob, summary::TrainingSummary},
};

impl Trainable for AutoParams {
    fn input_hashes(&self, job: &TrainingJob) -> Result<String, TrainingError> {
        self.field_classifier().input_hashes(job)
    }

    fn train(&self, job: &TrainingJob, device: Device, training_state: &mut TrainingState<'_>) -> Result<TrainingSummary, Interrupt> {
        train(job, self, &device, training_state)
    }
}
