//! The job file of an evaluation.

use std::{
    fs,
    path::{Path, PathBuf},
};

use aprendiz_encoder::BaseModel;
use aprendiz_run_spec::Backend;
use serde::{Deserialize, Serialize};

use crate::{error::TrainingError, protocol::job::TrainingJob};

/// The encoder to evaluate, its base model, and the test data. Paths come from the worker, never from a user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationJob {
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

/// Files of the embedding cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingFiles {
    /// Files of an [`EmbeddingCache`](aprendiz_encoder::EmbeddingCache) that were written on this back end and kernel. Unusable files are skipped.
    pub known: Vec<PathBuf>,
    /// Output file for new vectors; not written if there are none.
    pub fresh: PathBuf,
}

impl EvaluationJob {
    /// Reads a job file.
    ///
    /// # Errors
    /// `io` if it cannot be read, `bad_params` if it is not a job of a supported version.
    pub fn read(path: &Path) -> Result<Self, TrainingError> {
        let text = fs::read_to_string(path).map_err(TrainingError::io(path))?;
        let reject = |reason: String| TrainingError::BadParams(format!("{}: {reason}", path.display()));
        let job: Self = serde_json::from_str(&text).map_err(|error| reject(error.to_string()))?;
        if job.v == TrainingJob::version() { Ok(job) } else { Err(reject(format!("unsupported job version {}", job.v))) }
    }
}
