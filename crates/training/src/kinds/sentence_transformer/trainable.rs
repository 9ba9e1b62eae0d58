//! Implements [`Trainable`] for the kind `sentence-transformer`.

use aprendiz_run_spec::SentenceTransformerParams;
use burn::tensor::Device;

use crate::{
    checkpoint::training_state::TrainingState,
    error::TrainingError,
    interrupt::Interrupt,
    kinds::{
        sentence_transformer::train::train,
        trainable::{Trainable, file_sha256},
    },
    protocol::{job::TrainingJob, summary::TrainingSummary},
};

impl Trainable for SentenceTransformerParams {
    fn input_hashes(&self, job: &TrainingJob) -> Result<String, TrainingError> {
        let [train, validation, labels] = [&job.train, &job.validation, &job.labels].map(|path| file_sha256(path));
        let documents = format!("train {}, validation {}, labels {}", train?, validation?, labels?);
        Ok(match &job.pairs {
            Some(pairs) => format!("{documents}, pairs {}, {}", file_sha256(&pairs.train)?, file_sha256(&pairs.validation)?),
            None => documents,
        })
    }

    fn train(&self, job: &TrainingJob, device: Device, training_state: &mut TrainingState<'_>) -> Result<TrainingSummary, Interrupt> {
        train(job, self, device, training_state)
    }
}
