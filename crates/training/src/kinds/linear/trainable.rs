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
        // validation may be fitted too, and the counts of a learning curve are those of validation
        let with_validation = if self.learning_curve || self.final_fit.includes_validation() {
            format!("{train}, validation {}", file_sha256(&job.validation)?)
        } else {
            train
        };
        match &job.whole_fit {
            Some(files) => Ok(format!("{with_validation}, test {}", file_sha256(&files.test)?)),
            None => Ok(with_validation),
        }
    }

    fn train(&self, job: &TrainingJob, device: Device, training_state: &mut TrainingState<'_>) -> Result<TrainingSummary, Interrupt> {
        Ok(train(job, self, &device, training_state)?.summary)
    }
}
