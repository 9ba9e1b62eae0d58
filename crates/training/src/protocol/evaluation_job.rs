//! The job file of an evaluation of an encoder or of a field classifier.

use std::{
    fs,
    path::{Path, PathBuf},
};

use aprendiz_encoder::BaseModel;
use aprendiz_run_spec::Backend;
use serde::{Deserialize, Serialize};

use crate::{
    error::TrainingError,
    protocol::{embedding_files::EmbeddingFiles, job::TrainingJob},
};

/// What to evaluate. Paths come from the worker, never from a user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvaluationJob {
    /// An encoder, compared with its base model.
    Encoder(EncoderEvaluation),
    /// A field classifier.
    Classifier(ClassifierEvaluation),
}

/// The encoder to evaluate, its base model, and the test data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderEvaluation {
    /// Version of this file; the same as that of training jobs.
    pub v: u32,
    /// Directory of the encoder.
    pub model: PathBuf,
    /// The base model it was trained from.
    pub base_model: BaseModel,
    /// Pairs of the test split; at most [`MAX_TEST_PAIRS`](crate::MAX_TEST_PAIRS) are scored.
    pub pairs: PathBuf,
    /// `train.jsonl` of the snapshot: documents for the nearest-neighbour index.
    #[serde(rename = "known")]
    pub index: PathBuf,
    /// `test.jsonl` of the snapshot: documents to classify.
    #[serde(rename = "asked")]
    pub queries: PathBuf,
    /// `labels.json` of the snapshot.
    pub labels: PathBuf,
    /// Maximum number of documents to encode from each of the two files.
    #[serde(rename = "most_documents")]
    pub max_documents: usize,
    /// Output file for the cosine similarities of the pairs, as JSON lines.
    pub scores: PathBuf,
    /// Folder for temporary files; created if it is missing.
    pub work: PathBuf,
    /// Cache for vectors of the base model; `None` = compute all of them.
    #[serde(default)]
    pub embeddings: Option<EmbeddingFiles>,
    /// Threads to compute with; 0 = one per core.
    #[serde(default)]
    pub threads: usize,
    /// Back end.
    #[serde(default)]
    pub backend: Backend,
}

/// The field classifier to evaluate, and the test data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierEvaluation {
    /// Version of this file; the same as that of training jobs.
    pub v: u32,
    /// Directory of the classifier, with its thresholds.
    pub model: PathBuf,
    /// `test.jsonl` of the snapshot.
    pub documents: PathBuf,
    /// Output file for a [`PredictedDocument`](crate::PredictedDocument) per document, as JSON lines in the order of `documents`.
    pub predictions: PathBuf,
    /// Cache for vectors of the base model; `None` = compute all of them.
    #[serde(default)]
    pub embeddings: Option<EmbeddingFiles>,
    /// Threads to compute with; 0 = one per core.
    #[serde(default)]
    pub threads: usize,
    /// Back end.
    #[serde(default)]
    pub backend: Backend,
}

impl EvaluationJob {
    fn version(&self) -> u32 {
        match self {
            Self::Encoder(job) => job.v,
            Self::Classifier(job) => job.v,
        }
    }

    /// Reads a job file.
    ///
    /// # Errors
    /// `io` if it cannot be read, `bad_params` if it is not a job of a supported version.
    pub fn read(path: &Path) -> Result<Self, TrainingError> {
        let text = fs::read_to_string(path).map_err(TrainingError::io(path))?;
        let reject = |reason: String| TrainingError::BadParams(format!("{}: {reason}", path.display()));
        let job: Self = serde_json::from_str(&text).map_err(|error| reject(error.to_string()))?;
        if job.version() == TrainingJob::version() { Ok(job) } else { Err(reject(format!("unsupported job version {}", job.version()))) }
    }
}
