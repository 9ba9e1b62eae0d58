//! The job file that a worker hands to its training child.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use encoder::BaseModel;
use serde::{Deserialize, Serialize};

use crate::{backend::Backend, error::TrainingError};

/// The only version of the job file that is understood.
const JOB_VERSION: u32 = 3;

/// Kinds of model that this crate trains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// One softmax head per field on n-gram features.
    Linear,
    /// An encoder of texts, from base weights.
    SentenceTransformer,
}

/// What to train, from what, and where to put it. Paths are the worker's own; nothing in them comes from a user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingJob {
    /// Version of this file: 3.
    pub v: u32,
    /// Kind of model.
    pub kind: Kind,
    /// Decides the folds; the same seed gives the same bytes.
    pub seed: u64,
    /// Accuracy that thresholds shall promise, strictly between 0 and 1; recorded in the model.
    pub target_accuracy: f64,
    /// Parameters of the kind; `{}` for all defaults.
    #[serde(default = "no_params")]
    pub params: serde_json::Value,
    /// `train.jsonl` of the snapshot.
    pub train: PathBuf,
    /// `validation.jsonl` of the snapshot; may be empty of lines.
    pub validation: PathBuf,
    /// `labels.json` of the snapshot.
    pub labels: PathBuf,
    /// What an encoder starts from; for kinds that start from something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_model: Option<BaseModel>,
    /// Pairs of texts that an encoder learns from; without them, or where the parameters ask for it, they are made of `train` and
    /// `validation`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pairs: Option<PairFiles>,
    /// Folder of the model; created if it is missing.
    pub out: PathBuf,
    /// Folder of `out_of_fold.jsonl` and `validation.jsonl`; created if it is missing, not within `out`.
    pub reports: PathBuf,
    /// Folder of checkpoints, of which the newest two are kept; created if it is missing, not within `out`.
    pub checkpoints: PathBuf,
    /// Least time between two checkpoints, in seconds; 0 = after every step.
    pub checkpoint_seconds: f64,
    /// Checkpoint to continue from. One that does not fit or is damaged is passed over, with a warning.
    #[serde(default)]
    pub resume: Option<PathBuf>,
    /// Threads to compute with; 0 = as many as the machine has. Changes the time, never the result.
    #[serde(default)]
    pub threads: usize,
    /// Back end.
    #[serde(default)]
    pub backend: Backend,
}

/// Pairs of texts, as a snapshot has them: `{"text_a", "text_b", "label", "field", "split"}`, a line each. Lines of another split than that
/// which is read are passed over, so both may be one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairFiles {
    /// Those that are learned from; lines that name no split belong here.
    pub train: PathBuf,
    /// Those that choose the epoch.
    pub validation: PathBuf,
}

impl Kind {
    /// Name of the kind.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear => inference::KIND_LINEAR,
            Self::SentenceTransformer => inference::KIND_SENTENCE_TRANSFORMER,
        }
    }
}

fn no_params() -> serde_json::Value {
    serde_json::json!({})
}

impl TrainingJob {
    /// Reads a job file.
    ///
    /// # Errors
    /// `io` if it cannot be read, `bad_params` if it is not a job of a known version.
    pub fn read(path: &Path) -> Result<Self, TrainingError> {
        let text = fs::read_to_string(path).map_err(TrainingError::io(path))?;
        serde_json::from_str(&text).map_err(|error| TrainingError::BadParams(format!("{}: {error}", path.display())))
    }

    /// Version of the job file to write.
    #[must_use]
    pub fn version() -> u32 {
        JOB_VERSION
    }

    pub(crate) fn validate(&self) -> Result<(), TrainingError> {
        let refuse = |reason: String| Err(TrainingError::BadParams(reason));
        if self.v != JOB_VERSION {
            return refuse(format!("job version {} is not known, only {JOB_VERSION} is", self.v));
        }
        if !(self.target_accuracy > 0.0 && self.target_accuracy < 1.0) {
            return refuse(format!("target_accuracy must lie between 0 and 1, not {}", self.target_accuracy));
        }
        for (name, folder) in [("reports", &self.reports), ("checkpoints", &self.checkpoints)] {
            if folder.starts_with(&self.out) {
                return refuse(format!("{name} must not lie within out: they are no part of the model"));
            }
        }
        self.checkpoint_pause().map(drop)
    }

    pub(crate) fn checkpoint_pause(&self) -> Result<Duration, TrainingError> {
        Duration::try_from_secs_f64(self.checkpoint_seconds)
            .map_err(|_| TrainingError::BadParams(format!("checkpoint_seconds must be 0 or more seconds, not {}", self.checkpoint_seconds)))
    }
}
