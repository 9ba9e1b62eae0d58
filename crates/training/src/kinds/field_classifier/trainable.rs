//! Implements [`Trainable`] for the kind `field-classifier`.

use aprendiz_run_spec::FieldClassifierParams;
use burn::tensor::Device;

use crate::{
    checkpoint::training_state::TrainingState,
    error::TrainingError,
    interrupt::Interrupt,
    kinds::{
        field_classifier::train::train,
        trainable::{Trainable, file_sha256},
    },
    protocol::{job::TrainingJob, summary::TrainingSummary},
};

impl Trainable for FieldClassifierParams {
    fn input_hashes(&self, job: &TrainingJob) -> Result<String, TrainingError> {
        let train = format!("train {}, labels {}", file_sha256(&job.train)?, file_sha256(&job.labels)?);
        if self.final_fit.includes_validation() { Ok(format!("{train}, validation {}", file_sha256(&job.validation)?)) } else { Ok(train) }
    }

    fn train(&self, job: &TrainingJob, device: Device, training_state: &mut TrainingState<'_>) -> Result<TrainingSummary, Interrupt> {
        Ok(train(job, self, &device, training_state)?.summary)
    }
}
