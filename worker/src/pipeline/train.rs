//! Phase `train`: the job for the child, its progress and its checkpoints on the way back.

use std::time::Duration;

use dataset::Dataset;
use inference::SentenceTransformerParams;
use runs::{AttemptKey, EventKind, RunSpec, RunsError, record_progress};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use training::{Event, Kind, PairFiles, TrainingJob, TrainingSummary};

use crate::context::WorkerContext;
use crate::failure::Stop;
use crate::pipeline::base_model::Base;
use crate::pipeline::checkpoints::{Checkpoints, LocalCheckpoint, Told};
use crate::pipeline::scratch::Scratch;
use crate::supervisor::{self, ChildEnd};

/// Progress reaches the database at most this often,
const PROGRESS_PAUSE: Duration = Duration::from_millis(500);
/// and when it goes on for hours, so that its events stay a few thousand, only this often.
const LONGEST_PROGRESS_PAUSE: Duration = Duration::from_secs(10);
/// The pause is this part of the time that has gone by.
const PROGRESS_PART: u32 = 500;

/// Trains in the child process; the model lies in the scratch folder afterwards. `handing_back` makes it save a checkpoint and stop.
pub(crate) async fn train(
    context: &WorkerContext,
    key: AttemptKey,
    spec: &RunSpec,
    base: Option<&Base>,
    dataset: &Dataset,
    scratch: &Scratch,
    handing_back: &CancellationToken,
) -> Result<TrainingSummary, Stop> {
    if dataset.trainable_fields.is_empty() {
        let reasons: Vec<String> = dataset.left_out.iter().map(|left| format!("{}: {}", left.field, left.reason.in_words())).collect();
        return Err(Stop::permanent(
            "no_trainable_field",
            format!("no field can be trained ({}): review more documents or name other fields", reasons.join("; ")),
        ));
    }
    let mut job = job(context, spec, base, scratch)?;
    let mut checkpoints = Checkpoints::new(context, key, training::fingerprint(&job, &dataset.canonical_hash));
    job.resume = checkpoints.fetch(scratch).await?;
    let path = scratch.job();
    let text = serde_json::to_vec_pretty(&job).map_err(|error| Stop::permanent("broken_state", error.to_string()))?;
    tokio::fs::write(&path, text).await.map_err(|error| Stop::scratch(&path, &error))?;

    // the newest line only: a slow database must not hold the child up
    let (progress, newest) = watch::channel(json!({}));
    let (told, heard) = watch::channel(Told::default());
    let child = async {
        let on_event = |event: Event| match event {
            Event::Resumed { step } => told.send_modify(|told| told.resumed = Some(step)),
            Event::Checkpoint { step, file, .. } => told.send_modify(|told| told.newest = Some(LocalCheckpoint { step, file })),
            event => tell(&event, &progress),
        };
        let end = supervisor::run("train", &path, context.config.silence, handing_back, on_event).await;
        // the keeper ends once it has seen the last checkpoint
        drop(told);
        end
    };
    let work = async {
        let mut keeping = std::pin::pin!(checkpoints.keep(heard));
        let mut child = std::pin::pin!(child);
        let end = tokio::select! {
            end = &mut child => end?,
            Err(stop) = &mut keeping => return Err(stop),
        };
        match end {
            ChildEnd::Trained(summary) => {
                checkpoints.note_resume(summary.resumed_from_step).await?;
                Ok(summary)
            }
            ChildEnd::Stopped => {
                keeping.await?;
                Err(Stop::HandedBack)
            }
            ChildEnd::Evaluated(..) => Err(Stop::permanent("child_protocol", "the training process said that it had evaluated something")),
        }
    };
    tokio::select! {
        summary = work => summary,
        stop = tell_progress(context, key, newest, Some(EventKind::Metric)) => Err(stop),
    }
}

fn job(context: &WorkerContext, spec: &RunSpec, base: Option<&Base>, scratch: &Scratch) -> Result<TrainingJob, Stop> {
    let snapshot = scratch.snapshot();
    let pairs = |split: &str| snapshot.join(format!("pairs/{split}.jsonl"));
    Ok(TrainingJob {
        v: TrainingJob::version(),
        kind: if base.is_some() { Kind::SentenceTransformer } else { Kind::Linear },
        seed: spec.seed,
        target_accuracy: spec.target_accuracy,
        params: Value::Object(spec.params.clone()),
        // the test split is not handed over: nothing in training can look at it
        train: snapshot.join("jsonl/train.jsonl"),
        validation: snapshot.join("jsonl/validation.jsonl"),
        labels: snapshot.join("labels.json"),
        base_model: base.map(|base| base.found.clone()),
        pairs: base.map(|_| PairFiles { train: pairs("train"), validation: pairs("validation") }),
        out: scratch.model(),
        reports: scratch.reports(),
        checkpoints: scratch.checkpoints(),
        checkpoint_seconds: context.config.checkpoint.as_secs_f64(),
        resume: None,
        threads: context.config.threads,
        backend: backend(&spec.backend)?,
    })
}

/// The parameters of a sentence transformer; they were checked when the run was created.
pub(crate) fn params(spec: &RunSpec) -> Result<SentenceTransformerParams, Stop> {
    let params = Value::Object(spec.params.clone());
    SentenceTransformerParams::parse(&params).map_err(|reason| Stop::permanent("bad_params", reason))
}

pub(crate) fn backend(name: &str) -> Result<training::Backend, Stop> {
    serde_json::from_value(Value::from(name)).map_err(|error| Stop::permanent("unknown_backend", format!("backend `{name}`: {error}")))
}

pub(crate) fn tell(event: &Event, progress: &watch::Sender<Value>) {
    if let Event::Progress { examples_per_second: Some(rate), .. } = event {
        ::metrics::gauge!("aprendiz_worker_examples_per_second").set(*rate);
    }
    if let Ok(line) = serde_json::to_value(event) {
        progress.send_replace(line);
    }
}

/// Writes the newest progress into the run for as long as it is polled; ends only when the lease is lost. Progress that
/// cannot be written is dropped: it is worth less than the work.
pub(crate) async fn tell_progress(
    context: &WorkerContext,
    key: AttemptKey,
    mut newest: watch::Receiver<Value>,
    event: Option<EventKind>,
) -> Stop {
    let began = Instant::now();
    loop {
        if newest.changed().await.is_err() {
            // nothing more to tell; the work itself says when it is over
            std::future::pending::<()>().await;
        }
        let progress = newest.borrow_and_update().clone();
        match write(context, key, &progress, event).await {
            Err(RunsError::LeaseLost { .. }) => return Stop::LeaseLost,
            Err(error) => tracing::debug!(%error, "progress not written"),
            Ok(()) => {}
        }
        tokio::time::sleep((began.elapsed() / PROGRESS_PART).clamp(PROGRESS_PAUSE, LONGEST_PROGRESS_PAUSE)).await;
    }
}

async fn write(context: &WorkerContext, key: AttemptKey, progress: &Value, event: Option<EventKind>) -> Result<(), RunsError> {
    let mut conn = context.pool.acquire().await?;
    record_progress(&mut conn, key, progress, event).await
}
