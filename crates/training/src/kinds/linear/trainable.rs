//! Implements [`Trainable`] for the kind `linear`.

use aprendiz_run_spec::LinearParams;
use burn::tensor::Device;

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
    fn input_hashes(&self, job: &TrainingJob) -> Result<String, TrainingError> {
        let train = format!("train {}, labels {}", file_sha256(&job.train)?, file_sha256(&job.labels)?);
        // the counts of a learning curve are those of the validation split
        if self.learning_curve { Ok(format!("{train}, validation {}", file_sha256(&job.validation)?)) } else { Ok(train) }
    }

    fn train(&self, job: &TrainingJob, device: Device, training_state: &mut TrainingState<'_>) -> Result<TrainingSummary, Interrupt> {
        train(job, self, &device, training_state)
    }
}
