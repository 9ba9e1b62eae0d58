//! Phase `train`: writes the job file and runs the training process.

use std::sync::Mutex;

use aprendiz_dataset::{Dataset, ExclusionReason};
use aprendiz_run_spec::{FinalFit, TrainingParams, ValidatedSpec};
use aprendiz_runs::{AttemptId, EventKind, SweepRole, TrainingRun};
use aprendiz_training::{EmbeddingUse, Event, PairFiles, TrainingJob, TrainingSummary, WholeFit};
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::child::supervisor::{self, ChildOutcome};
use crate::deps::Deps;
use crate::interruption::Interruption;
use crate::pipeline::base_model::BaseModelRef;
use crate::pipeline::checkpoints::{CheckpointProgress, Checkpoints, LocalCheckpoint};
use crate::pipeline::embedding_cache::EmbeddingCache;
use crate::pipeline::losses::LossCollector;
use crate::pipeline::progress::{report, report_progress};
use crate::scratch::{Scratch, write_file};

/// What a training process reports besides its progress.
#[derive(Debug, Default)]
pub(crate) struct TrainingReports {
    pub(crate) losses: LossCollector,
    embeddings: Mutex<Option<EmbeddingUse>>,
}

impl TrainingReports {
    fn set_embeddings(&self, usage: EmbeddingUse) {
        *self.embeddings.lock().expect("no thread panics while it holds the lock") = Some(usage);
    }

    /// How the process used the embedding cache, if it did.
    pub(crate) fn embeddings(&self) -> Option<EmbeddingUse> {
        self.embeddings.lock().expect("no thread panics while it holds the lock").clone()
    }
}

/// Runs a job, made by [`training_job`], in a child process, which writes the model to the scratch folder, and collects what it reports. `shutting_down` makes it save a checkpoint and stop.
pub(crate) async fn train(
    deps: &Deps,
    attempt: AttemptId,
    mut job: TrainingJob,
    dataset: &Dataset,
    scratch: &Scratch,
    reports: &TrainingReports,
    shutting_down: &CancellationToken,
) -> Result<TrainingSummary, Interruption> {
    if dataset.trainable_fields.is_empty() {
        return Err(Interruption::permanent("no_trainable_field", describe_untrainable(dataset)));
    }
    let mut checkpoints = Checkpoints::new(deps, attempt, aprendiz_training::fingerprint(&job, &dataset.canonical_hash));
    job.resume = checkpoints.download(scratch).await?;
    let path = scratch.job();
    write_file(&path, &serde_json::to_vec_pretty(&job).map_err(Interruption::broken_state)?).await?;

    // only the latest progress is kept: a slow database must not block the training process
    let (progress, latest_progress) = watch::channel(json!({}));
    let (checkpoint_progress, latest_checkpoint) = watch::channel(CheckpointProgress::default());
    let child = async {
        let on_event = |event: Event| match event {
            Event::Resumed { step } => checkpoint_progress.send_modify(|progress| progress.resumed_from = Some(step)),
            Event::Checkpoint { step, file, .. } => {
                checkpoint_progress.send_modify(|progress| progress.latest = Some(LocalCheckpoint { step, file }));
            }
            Event::Embedded { embeddings } => reports.set_embeddings(embeddings),
            event => {
                reports.losses.observe(&event);
                report(&event, &progress);
            }
        };
        let outcome = supervisor::run("train", &path, deps.config.child_timeout, shutting_down, on_event).await;
        // closing the channel ends the upload after the last checkpoint
        drop(checkpoint_progress);
        outcome
    };
    let work = async {
        let mut uploading = std::pin::pin!(checkpoints.upload_checkpoints(latest_checkpoint));
        let mut child = std::pin::pin!(child);
        let outcome = tokio::select! {
            outcome = &mut child => outcome,
            Err(interruption) = &mut uploading => return Err(interruption),
        };
        if let Err(Interruption::Failed(_)) = &outcome {
            // the next attempt resumes from the last checkpoint of a killed process
            uploading.as_mut().await?;
        }
        match outcome? {
            ChildOutcome::Trained(summary) => {
                checkpoints.record_resume(summary.resumed_from_step).await?;
                Ok(*summary)
            }
            ChildOutcome::Stopped => {
                uploading.await?;
                Err(Interruption::ShuttingDown)
            }
            ChildOutcome::Evaluated(..) | ChildOutcome::Predicted(_) => {
                Err(Interruption::permanent("child_protocol", "the training process returned the result of an evaluation"))
            }
        }
    };
    tokio::select! {
        summary = work => summary,
        interruption = report_progress(&deps.database, attempt, latest_progress, Some(EventKind::Metric)) => Err(interruption),
    }
}

/// Describes why no field can be trained. Fields without reviews are named only if there is no other reason.
fn describe_untrainable(dataset: &Dataset) -> String {
    let reviewed = dataset.left_out.iter().any(|excluded| excluded.reason != ExclusionReason::NoValues);
    let named = dataset.left_out.iter().filter(|excluded| !reviewed || excluded.reason != ExclusionReason::NoValues);
    let reasons: Vec<String> = named.map(|excluded| format!("{}: {}", excluded.field, excluded.reason.description())).collect();
    let warnings: String = dataset.warnings().iter().map(|warning| format!("; {warning}")).collect();
    format!("no field can be trained ({}){warnings}: review more documents or name other fields", reasons.join("; "))
}

pub(crate) fn training_job(
    deps: &Deps,
    spec: &ValidatedSpec,
    params: &TrainingParams,
    base: Option<&BaseModelRef>,
    run: &TrainingRun,
    cache: Option<&EmbeddingCache>,
    scratch: &Scratch,
) -> TrainingJob {
    let snapshot = scratch.snapshot();
    let params = if run.sweep_role == Some(SweepRole::Trial) { params.for_trial() } else { params.clone() };
    let trains_on_pairs = params.trains_on_pairs();
    let whole_fit =
        (params.final_fit() == FinalFit::All).then(|| WholeFit { test: snapshot.join("jsonl/test.jsonl"), out: scratch.whole_model() });
    let pairs = |split: &str| snapshot.join(format!("pairs/{split}.jsonl"));
    TrainingJob {
        v: TrainingJob::version(),
        seed: spec.seed(),
        target_accuracy: spec.target_accuracy(),
        params,
        // the test split is not passed on, so training cannot read it, unless the published weights are fitted on it
        whole_fit,
        train: snapshot.join("jsonl/train.jsonl"),
        train_fraction: run.train_fraction,
        validation: snapshot.join("jsonl/validation.jsonl"),
        labels: snapshot.join("labels.json"),
        base_model: base.map(|base| base.model.clone()),
        pairs: trains_on_pairs.then(|| PairFiles { train: pairs("train"), validation: pairs("validation") }),
        out: scratch.model(),
        reports: scratch.reports(),
        checkpoints: scratch.checkpoints(),
        checkpoint_seconds: deps.config.checkpoint_interval.as_secs_f64(),
        resume: None,
        embeddings: cache.map(EmbeddingCache::files),
        threads: deps.config.threads,
        backend: spec.backend(),
    }
}
