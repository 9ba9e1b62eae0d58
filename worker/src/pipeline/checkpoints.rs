//! Uploads the checkpoints of a training while it runs, and finds the one to resume from.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use aprendiz_artifacts::{ObjectPrefix, StoreError};
use aprendiz_runs::{AttemptId, Checkpoint, NewCheckpoint, list_checkpoints, record_checkpoint, record_resume};
use tokio::sync::watch;

use crate::deps::Deps;
use crate::interruption::Interruption;
use crate::pipeline::objects::upload_files;
use crate::retry::{in_transaction, retry_on_outage};
use crate::scratch::Scratch;

/// Checkpoints kept per run: one to resume from, and one in case it is damaged.
const CHECKPOINT_RETENTION: i64 = 2;

/// What the training process has reported about checkpoints so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct CheckpointProgress {
    /// The step training resumed from.
    pub(crate) resumed_from: Option<u64>,
    /// The latest checkpoint in the scratch folder.
    pub(crate) latest: Option<LocalCheckpoint>,
}

/// A checkpoint in the scratch folder.
#[derive(Debug, Clone)]
pub(crate) struct LocalCheckpoint {
    pub(crate) step: u64,
    pub(crate) file: PathBuf,
}

/// The checkpoints of one training.
pub(crate) struct Checkpoints<'a> {
    deps: &'a Deps,
    attempt: AttemptId,
    fingerprint: String,
    source: Option<Checkpoint>,
    resume_recorded: AtomicBool,
}

impl<'a> Checkpoints<'a> {
    pub(crate) fn new(deps: &'a Deps, attempt: AttemptId, fingerprint: String) -> Self {
        Self { deps, attempt, fingerprint, source: None, resume_recorded: AtomicBool::new(false) }
    }

    /// Downloads the latest intact checkpoint of earlier attempts with the same fingerprint.
    pub(crate) async fn download(&mut self, scratch: &Scratch) -> Result<Option<PathBuf>, Interruption> {
        let database = &self.deps.database;
        let candidates =
            retry_on_outage!(async { list_checkpoints(&mut *database.read().await?, self.attempt.run_id, &self.fingerprint).await })?;
        for checkpoint in candidates {
            let path = scratch.resume();
            match self.deps.store.download(&checkpoint.object_key, &path, &checkpoint.sha256).await {
                Ok(_) => {
                    self.source = Some(checkpoint);
                    return Ok(Some(path));
                }
                Err(error @ (StoreError::ChecksumMismatch { .. } | StoreError::MissingObject(_))) => {
                    tracing::warn!(%error, checkpoint.step = checkpoint.step, "checkpoint is unusable, trying an older one");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// Uploads each latest checkpoint until the training process has ended and its last checkpoint is uploaded.
    ///
    /// A failed upload is only logged, because the training itself is worth more. Returns early only when the lease is lost.
    pub(crate) async fn upload_checkpoints(&self, mut progress: watch::Receiver<CheckpointProgress>) -> Result<(), Interruption> {
        let mut uploaded_step = 0;
        let mut warned = false;
        while progress.changed().await.is_ok() {
            let CheckpointProgress { resumed_from, latest } = progress.borrow_and_update().clone();
            self.record_resume(resumed_from).await?;
            let Some(checkpoint) = latest.filter(|latest| latest.step > uploaded_step) else { continue };
            match self.upload(&checkpoint).await {
                Ok(()) => {
                    metrics::counter!("aprendiz_worker_checkpoints_total", "outcome" => "uploaded").increment(1);
                    uploaded_step = checkpoint.step;
                    warned = false;
                }
                // the training process has replaced it with a newer one meanwhile
                Err(Interruption::Failed(failure)) if failure.code == "scratch_unusable" && !checkpoint.file.exists() => {}
                Err(Interruption::Failed(failure)) => {
                    metrics::counter!("aprendiz_worker_checkpoints_total", "outcome" => "failed").increment(1);
                    // warn once per outage: a long outage of the object store must not flood the log
                    if !std::mem::replace(&mut warned, true) {
                        tracing::warn!(checkpoint.step, error.text = failure.text, "checkpoint upload failed");
                    }
                }
                Err(interruption) => return Err(interruption),
            }
        }
        Ok(())
    }

    /// Records once which step training resumed from. May be dropped at any await and called again.
    pub(crate) async fn record_resume(&self, step: Option<u64>) -> Result<(), Interruption> {
        let (Some(step), Some(source)) = (step, &self.source) else { return Ok(()) };
        if self.resume_recorded.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut note = format!("training resumes from step {step}, a checkpoint of attempt {}", source.attempt_number);
        if source.cpu_kernel != aprendiz_training::cpu_kernel() {
            note += &format!(
                "; it was computed with {}, this worker computes with {}: the weights may differ from those of an uninterrupted run in \
                 their last digits",
                source.cpu_kernel,
                aprendiz_training::cpu_kernel()
            );
        }
        retry_on_outage!(in_transaction!(self.deps.database, tx => record_resume(&mut tx, self.attempt, to_signed(step), &note)))?;
        // only now, because this future is dropped when the training ends first
        self.resume_recorded.store(true, Ordering::Relaxed);
        tracing::info!(checkpoint.step = step, "{note}");
        Ok(())
    }

    async fn upload(&self, checkpoint: &LocalCheckpoint) -> Result<(), Interruption> {
        let prefix = ObjectPrefix::checkpoints(self.attempt.run_id.0, self.attempt.number);
        let folder = checkpoint.file.parent().unwrap_or(Path::new(""));
        let name = checkpoint.file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let object_keys = upload_files(self.deps, self.attempt, &prefix, folder, &[name]).await?;
        let new = NewCheckpoint {
            step: to_signed(checkpoint.step),
            object_key: &object_keys[0],
            fingerprint: &self.fingerprint,
            cpu_kernel: aprendiz_training::cpu_kernel(),
        };
        let database = &self.deps.database;
        retry_on_outage!(in_transaction!(database, tx => record_checkpoint(&mut tx, self.attempt, &new, CHECKPOINT_RETENTION)))?;
        tracing::debug!(checkpoint.step, "checkpoint uploaded");
        Ok(())
    }
}

fn to_signed(step: u64) -> i64 {
    i64::try_from(step).expect("a training has fewer than 2^63 steps")
}
