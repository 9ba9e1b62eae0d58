//! Checkpoints on their way out and back in: what the training child leaves in the scratch folder goes to S3 while it trains on,
//! and what an earlier attempt left in S3 is where training begins.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use ::artifacts::{ObjectPrefix, StoreError};
use runs::{AttemptKey, Checkpoint, NewCheckpoint, RunsError, checkpoints_of, record_checkpoint, record_resume};
use tokio::sync::watch;

use crate::context::WorkerContext;
use crate::failure::Stop;
use crate::patience::patiently;
use crate::pipeline::artifacts::upload_files;
use crate::pipeline::scratch::Scratch;

/// Checkpoints of a run that are kept: one to continue from, and one in case that is damaged.
const KEPT: i64 = 2;

/// What the child has told of checkpoints so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    pub(crate) resumed: Option<u64>,
    pub(crate) newest: Option<LocalCheckpoint>,
}

/// A checkpoint in the scratch folder.
#[derive(Debug, Clone)]
pub(crate) struct LocalCheckpoint {
    pub(crate) step: u64,
    pub(crate) file: PathBuf,
}

/// The checkpoints of one training.
pub(crate) struct Checkpoints<'a> {
    context: &'a WorkerContext,
    key: AttemptKey,
    fingerprint: String,
    source: Option<Checkpoint>,
    resume_is_recorded: AtomicBool,
}

impl<'a> Checkpoints<'a> {
    pub(crate) fn new(context: &'a WorkerContext, key: AttemptKey, fingerprint: String) -> Self {
        Self { context, key, fingerprint, source: None, resume_is_recorded: AtomicBool::new(false) }
    }

    /// The newest checkpoint of earlier attempts that fits and is whole, fetched.
    pub(crate) async fn fetch(&mut self, scratch: &Scratch) -> Result<Option<PathBuf>, Stop> {
        let found =
            patiently!(async { checkpoints_of(&mut *self.context.pool.acquire().await?, self.key.run_id, &self.fingerprint).await })?;
        for checkpoint in found {
            let path = scratch.resume();
            match self.context.store.download(&checkpoint.object_key, &path, &checkpoint.sha256).await {
                Ok(_) => {
                    self.source = Some(checkpoint);
                    return Ok(Some(path));
                }
                Err(error @ (StoreError::Damaged { .. } | StoreError::MissingObject(_))) => {
                    tracing::warn!(%error, checkpoint.step = checkpoint.step, "a checkpoint is unusable: trying an older one");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// Uploads the newest checkpoint whenever there is one, until the child has ended and its last one is safe. A checkpoint that
    /// cannot be kept costs a warning: the training is worth more. Ends early only when the lease is lost.
    pub(crate) async fn keep(&self, mut told: watch::Receiver<Told>) -> Result<(), Stop> {
        let mut kept = 0;
        let mut warned = false;
        while told.changed().await.is_ok() {
            let Told { resumed, newest } = told.borrow_and_update().clone();
            self.note_resume(resumed).await?;
            let Some(checkpoint) = newest.filter(|newest| newest.step > kept) else { continue };
            match self.upload(&checkpoint).await {
                Ok(()) => {
                    ::metrics::counter!("aprendiz_worker_checkpoints_total", "outcome" => "kept").increment(1);
                    kept = checkpoint.step;
                    warned = false;
                }
                // a newer one has taken its place meanwhile
                Err(Stop::Failed(failure)) if failure.code == "scratch_unusable" && !checkpoint.file.exists() => {}
                Err(Stop::Failed(failure)) => {
                    ::metrics::counter!("aprendiz_worker_checkpoints_total", "outcome" => "failed").increment(1);
                    // once for each time that it stops working: a bucket that is away for long must not flood the log
                    if !std::mem::replace(&mut warned, true) {
                        tracing::warn!(checkpoint.step, error.text = failure.text, "a checkpoint could not be kept");
                    }
                }
                Err(stop) => return Err(stop),
            }
        }
        Ok(())
    }

    /// Records, once, where training began.
    pub(crate) async fn note_resume(&self, step: Option<u64>) -> Result<(), Stop> {
        let (Some(step), Some(source)) = (step, &self.source) else { return Ok(()) };
        if self.resume_is_recorded.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let mut note = format!("training continues from step {step}, a checkpoint of attempt {}", source.attempt_number);
        if source.cpu_kernel != training::cpu_kernel() {
            note += &format!(
                "; it was computed with {}, this worker computes with {}: the weights may differ in their last digits from those of an undisturbed run",
                source.cpu_kernel,
                training::cpu_kernel()
            );
        }
        tracing::info!(checkpoint.step = step, "{note}");
        match record_resume(&mut *self.context.pool.acquire().await?, self.key, to_signed(step), &note).await {
            Err(error @ RunsError::LeaseLost { .. }) => Err(error.into()),
            Err(error) => {
                self.resume_is_recorded.store(false, Ordering::Relaxed);
                tracing::warn!(%error, "not recorded that training continues");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    async fn upload(&self, checkpoint: &LocalCheckpoint) -> Result<(), Stop> {
        let prefix = ObjectPrefix::checkpoints(self.key.run_id.0, self.key.number);
        let folder = checkpoint.file.parent().unwrap_or(Path::new(""));
        let name = checkpoint.file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let object_keys = upload_files(self.context, self.key, &prefix, folder, &[name]).await?;
        let new = NewCheckpoint {
            step: to_signed(checkpoint.step),
            object_key: &object_keys[0],
            fingerprint: &self.fingerprint,
            cpu_kernel: training::cpu_kernel(),
        };
        patiently!(async { record_checkpoint(&mut *self.context.pool.acquire().await?, self.key, &new, KEPT).await })?;
        tracing::debug!(checkpoint.step, "checkpoint kept");
        Ok(())
    }
}

fn to_signed(step: u64) -> i64 {
    i64::try_from(step).expect("nobody trains 2^63 steps")
}
