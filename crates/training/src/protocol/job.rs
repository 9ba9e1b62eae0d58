//! The job file of a training.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use aprendiz_encoder::BaseModel;
use aprendiz_run_spec::{Backend, FinalFit, TrainingParams};
use serde::{Deserialize, Serialize};

use crate::{error::TrainingError, protocol::embedding_files::EmbeddingFiles};

/// The supported version of the job file.
const JOB_VERSION: u32 = 5;

/// What to train, its input and its output. Paths come from the worker, never from a user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingJob {
    /// Version of this file: 5.
    pub v: u32,
    /// Random seed. The same seed gives the same bytes.
    pub seed: u64,
    /// Accuracy that thresholds must guarantee, strictly between 0 and 1. Recorded in the model.
    pub target_accuracy: f64,
    /// Kind of model, and its parameters.
    pub params: TrainingParams,
    /// `train.jsonl` of the snapshot.
    pub train: PathBuf,
    /// Train on this part of `train` only, greater than 0 and at most 1, chosen by groups with the seed; `None` = the whole. A larger part
    /// contains every smaller one. Pairs are not affected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_fraction: Option<f64>,
    /// For a final fit on all splits: where the test split is, and where the model of all splits is written. Otherwise `None`, so that
    /// training cannot read the test split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole_fit: Option<WholeFit>,
    /// `validation.jsonl` of the snapshot; may have no lines.
    pub validation: PathBuf,
    /// `labels.json` of the snapshot.
    pub labels: PathBuf,
    /// The base model, for kinds that fine-tune one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_model: Option<BaseModel>,
    /// Training pairs for an encoder. Without them, or if the parameters request it, pairs are sampled from `train` and `validation`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pairs: Option<PairFiles>,
    /// Folder of the model; created if it is missing.
    pub out: PathBuf,
    /// Folder of `out_of_fold.jsonl` and `validation.jsonl`; created if it is missing. Must be outside of `out`.
    pub reports: PathBuf,
    /// Folder of checkpoints; created if it is missing. Must be outside of `out`. The latest two checkpoints are kept.
    pub checkpoints: PathBuf,
    /// Minimum time between two checkpoints in seconds; 0 = write one after every step.
    pub checkpoint_seconds: f64,
    /// Checkpoint to resume from. A damaged or incompatible one is ignored with a warning.
    #[serde(default)]
    pub resume: Option<PathBuf>,
    /// Cache for vectors of the base model, for kinds that do not train it; `None` = compute all of them. Does not change the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embeddings: Option<EmbeddingFiles>,
    /// Threads to compute with; 0 = one per core. Does not change the result.
    #[serde(default)]
    pub threads: usize,
    /// Back end.
    #[serde(default)]
    pub backend: Backend,
}

/// The files of a final fit on all splits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WholeFit {
    /// `test.jsonl` of the snapshot.
    pub test: PathBuf,
    /// Folder of the weights and the configuration that are published; created if it is missing. What `out` has is measured.
    pub out: PathBuf,
}

/// Files of text pairs as a snapshot has them, one `{"text_a", "text_b", "label", "field", "split"}` per line. Lines of another split are
/// skipped, so both paths may be the same file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairFiles {
    /// Training pairs. Lines without a split belong here.
    pub train: PathBuf,
    /// Validation pairs, which select the best epoch.
    pub validation: PathBuf,
}

impl TrainingJob {
    /// Reads a job file.
    ///
    /// # Errors
    /// `io` if it cannot be read, `bad_params` if it is not a job of a supported version.
    pub fn read(path: &Path) -> Result<Self, TrainingError> {
        let text = fs::read_to_string(path).map_err(TrainingError::io(path))?;
        serde_json::from_str(&text).map_err(|error| TrainingError::BadParams(format!("{}: {error}", path.display())))
    }

    /// The version to write into new job files.
    #[must_use]
    pub fn version() -> u32 {
        JOB_VERSION
    }

    pub(crate) fn validate(&self) -> Result<(), TrainingError> {
        let reject = |reason: String| Err(TrainingError::BadParams(reason));
        if self.v != JOB_VERSION {
            return reject(format!("unsupported job version {}, expected {JOB_VERSION}", self.v));
        }
        if let Err(error) = self.params.check() {
            return reject(error.to_string());
        }
        if !(self.target_accuracy > 0.0 && self.target_accuracy < 1.0) {
            return reject(format!("target_accuracy must be between 0 and 1, exclusive, got {}", self.target_accuracy));
        }
        if let Some(fraction) = self.train_fraction
            && !(fraction > 0.0 && fraction <= 1.0)
        {
            return reject(format!("train_fraction must be greater than 0 and at most 1, got {fraction}"));
        }
        if self.whole_fit.is_some() != (self.params.final_fit() == FinalFit::All) {
            return reject("whole_fit is required for a final fit on all splits, and only for that".to_owned());
        }
        for (name, folder) in [("reports", &self.reports), ("checkpoints", &self.checkpoints)] {
            if folder.starts_with(&self.out) {
                return reject(format!("{name} must be outside of out: they are not part of the model"));
            }
        }
        self.checkpoint_interval().map(drop)
    }

    pub(crate) fn checkpoint_interval(&self) -> Result<Duration, TrainingError> {
        Duration::try_from_secs_f64(self.checkpoint_seconds)
            .map_err(|_| TrainingError::BadParams(format!("checkpoint_seconds must be at least 0, got {}", self.checkpoint_seconds)))
    }
}
