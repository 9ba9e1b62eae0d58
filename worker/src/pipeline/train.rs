//! Phase `train`: writes the job file and runs the training process.

use dataset::Dataset;
use runs::{AttemptId, EventKind, RunSpec};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use training::{Event, Kind, PairFiles, TrainingJob, TrainingSummary};

use crate::child::supervisor::{self, ChildOutcome};
use crate::deps::Deps;
use crate::interruption::Interruption;
use crate::pipeline::base_model::BaseModelRef;
use crate::pipeline::checkpoints::{CheckpointProgress, Checkpoints, LocalCheckpoint};
use crate::pipeline::params::backend;
use crate::pipeline::progress::{report, report_progress};
use crate::scratch::{Scratch, write_file};

/// Trains in a child process, which writes the model to the scratch folder. `shutting_down` makes it save a checkpoint and stop.
pub(crate) async fn train(
    deps: &Deps,
    attempt: AttemptId,
    spec: &RunSpec,
    base: Option<&BaseModelRef>,
    dataset: &Dataset,
    scratch: &Scratch,
    shutting_down: &CancellationToken,
) -> Result<TrainingSummary, Interruption> {
    if dataset.trainable_fields.is_empty() {
        let reasons: Vec<String> =
            dataset.left_out.iter().map(|excluded| format!("{}: {}", excluded.field, excluded.reason.description())).collect();
        return Err(Interruption::permanent(
            "no_trainable_field",
            format!("no field can be trained ({}): review more documents or name other fields", reasons.join("; ")),
        ));
    }
    let mut job = training_job(deps, spec, base, scratch)?;
    let mut checkpoints = Checkpoints::new(deps, attempt, training::fingerprint(&job, &dataset.canonical_hash));
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
            event => report(&event, &progress),
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
            outcome = &mut child => outcome?,
            Err(interruption) = &mut uploading => return Err(interruption),
        };
        match outcome {
            ChildOutcome::Trained(summary) => {
                checkpoints.record_resume(summary.resumed_from_step).await?;
                Ok(summary)
            }
            ChildOutcome::Stopped => {
                uploading.await?;
                Err(Interruption::ShuttingDown)
            }
            ChildOutcome::Evaluated(..) => {
                Err(Interruption::permanent("child_protocol", "the training process returned the result of an evaluation"))
            }
        }
    };
    tokio::select! {
        summary = work => summary,
        interruption = report_progress(&deps.pool, attempt, latest_progress, Some(EventKind::Metric)) => Err(interruption),
    }
}

fn training_job(deps: &Deps, spec: &RunSpec, base: Option<&BaseModelRef>, scratch: &Scratch) -> Result<TrainingJob, Interruption> {
    let snapshot = scratch.snapshot();
    let pairs = |split: &str| snapshot.join(format!("pairs/{split}.jsonl"));
    Ok(TrainingJob {
        v: TrainingJob::version(),
        kind: if base.is_some() { Kind::SentenceTransformer } else { Kind::Linear },
        seed: spec.seed,
        target_accuracy: spec.target_accuracy,
        params: Value::Object(spec.params.clone()),
        // the test split is not passed on, so training cannot read it
        train: snapshot.join("jsonl/train.jsonl"),
        validation: snapshot.join("jsonl/validation.jsonl"),
        labels: snapshot.join("labels.json"),
        base_model: base.map(|base| base.model.clone()),
        pairs: base.map(|_| PairFiles { train: pairs("train"), validation: pairs("validation") }),
        out: scratch.model(),
        reports: scratch.reports(),
        checkpoints: scratch.checkpoints(),
        checkpoint_seconds: deps.config.checkpoint_interval.as_secs_f64(),
        resume: None,
        threads: deps.config.threads,
        backend: backend(spec)?,
    })
}
