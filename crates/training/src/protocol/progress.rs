//! The progress protocol: the training child writes one JSON object per line.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{
    error::TrainingError,
    protocol::{embedding_files::EmbeddingUse, encoder_report::EncoderReport, summary::TrainingSummary},
};

/// Version of the protocol.
pub const PROTOCOL_VERSION: u32 = 2;

/// One line of the protocol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// [`PROTOCOL_VERSION`].
    pub v: u32,
    /// The event.
    #[serde(flatten)]
    pub event: Event,
}

/// An event of a training or an evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Training or evaluation makes progress.
    Progress {
        /// The current stage.
        stage: Stage,
        /// Completed steps of the whole training, including those before a resumed checkpoint.
        step: u64,
        /// The field being trained.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        field: Option<String>,
        /// The fold, from 1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fold: Option<u64>,
        /// Completed epochs of this solve. For encoders the current epoch, from 1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        epoch: Option<u64>,
        /// Maximum number of epochs; training may stop earlier.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        epochs: Option<u64>,
        /// The training loss. For linear heads the mean squared hinge loss of an example, summed over the classes; for encoders a moving
        /// average of the loss of the last steps.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        loss: Option<f64>,
        /// Fraction of the whole run that is done, from 0 to 1. Never decreases.
        fraction: f64,
        /// Examples, or pairs, per second in this stage.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        examples_per_second: Option<f64>,
        /// Estimated remaining time of this stage in seconds, if its length is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seconds_left: Option<f64>,
    },
    /// A checkpoint was written to disk.
    Checkpoint {
        /// Steps that led to it.
        step: u64,
        /// The file. It is deleted once two newer checkpoints exist.
        file: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// Training resumed from the checkpoint of the job. Sent at most once.
    Resumed {
        /// Steps that led to it.
        step: u64,
    },
    /// A message for the log.
    Log {
        /// Severity.
        level: LogLevel,
        /// The message. Never contains text of a document.
        message: String,
    },
    /// The model was written. Always the last line of a successful training.
    Done {
        /// What came of it.
        summary: TrainingSummary,
    },
    /// The encoder was evaluated. Always the last line of a successful evaluation.
    Evaluated {
        /// Metrics on the test split.
        report: EncoderReport,
        /// Use of the embedding cache.
        embeddings: EmbeddingUse,
    },
    /// The test split was predicted by a field classifier. Always the last line of a successful evaluation.
    Predicted {
        /// Number of documents.
        documents: u64,
        /// Use of the embedding cache.
        embeddings: EmbeddingUse,
    },
    /// A training computed all vectors of texts that it will compute, whether it ends with a model or not. Sent at most once.
    Embedded {
        /// Use of the embedding cache.
        embeddings: EmbeddingUse,
    },
    /// Stopped on request, without a model. Always the last line of a stopped run.
    Stopped {
        /// Completed steps, all of which the latest checkpoint contains.
        step: u64,
    },
    /// Failed, without a model. Always the last line of a failed run.
    Error {
        /// Stable error code.
        code: String,
        /// Error message.
        message: String,
        /// Whether a retry may succeed.
        retryable: bool,
    },
}

/// Severity of a log message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Informational.
    Info,
    /// Something was skipped or may be wrong.
    Warn,
}

/// A stage of training or evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Reads texts and extracts features.
    Features,
    /// Fits without one fold and scores that fold.
    Fold,
    /// Fits on the whole train split.
    Fit,
    /// Scores the validation split.
    Validation,
    /// Trains and scores models of parts of the train split.
    LearningCurve,
    /// Scores the test split with an encoder and its base model.
    Test,
}

impl Progress {
    /// A line of the current version.
    #[must_use]
    pub fn new(event: Event) -> Self {
        Self { v: PROTOCOL_VERSION, event }
    }

    /// The last line of a run that failed.
    #[must_use]
    pub fn error(error: &TrainingError) -> Self {
        Self::new(Event::Error { code: error.code().to_owned(), message: error.to_string(), retryable: error.is_retryable() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_carries_its_version_and_its_event() {
        let line = Progress::error(&TrainingError::NoTrainableField { reasons: vec!["a: one label".into()] });
        assert_eq!(
            serde_json::to_string(&line).unwrap(),
            r#"{"v":2,"event":"error","code":"no_trainable_field","message":"no field can be trained: a: one label","retryable":false}"#
        );
        let back: Progress = serde_json::from_str(&serde_json::to_string(&line).unwrap()).unwrap();
        assert_eq!(back, line);
    }
}
