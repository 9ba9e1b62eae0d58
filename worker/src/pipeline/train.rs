//! Phase `train`: the job for the child, and its progress on the way back.

use std::time::Duration;

use dataset::Dataset;
use runs::{AttemptKey, EventKind, RunSpec, RunsError, record_progress};
use serde_json::{Value, json};
use tokio::sync::watch;
use training::{Event, Kind, TrainingJob, TrainingSummary};

use crate::child;
use crate::context::WorkerContext;
use crate::failure::Stop;
use crate::pipeline::scratch::Scratch;

/// Progress reaches the database at most this often.
const PROGRESS_PAUSE: Duration = Duration::from_millis(500);

/// Trains in the child process; the model lies in the scratch folder afterwards.
pub(crate) async fn train(
    context: &WorkerContext,
    key: AttemptKey,
    spec: &RunSpec,
    dataset: &Dataset,
    scratch: &Scratch,
) -> Result<TrainingSummary, Stop> {
    if dataset.trainable_fields.is_empty() {
        let reasons: Vec<String> = dataset.left_out.iter().map(|left| format!("{}: {}", left.field, left.reason.in_words())).collect();
        return Err(Stop::permanent(
            "no_trainable_field",
            format!("no field can be trained ({}): review more documents or name other fields", reasons.join("; ")),
        ));
    }
    let snapshot = scratch.snapshot();
    let job = TrainingJob {
        v: TrainingJob::version(),
        kind: Kind::Linear,
        seed: spec.seed,
        target_accuracy: spec.target_accuracy,
        params: Value::Object(spec.params.clone()),
        // the test split is not handed over: nothing in training can look at it
        train: snapshot.join("jsonl/train.jsonl"),
        validation: snapshot.join("jsonl/validation.jsonl"),
        labels: snapshot.join("labels.json"),
        out: scratch.model(),
        reports: scratch.reports(),
        checkpoints: scratch.job().with_file_name("checkpoints"),
        checkpoint_seconds: 15.0,
        resume: None,
        threads: context.config.threads,
        backend: backend(&spec.backend)?,
    };
    let path = scratch.job();
    let text = serde_json::to_vec_pretty(&job).map_err(|error| Stop::permanent("broken_state", error.to_string()))?;
    tokio::fs::write(&path, text).await.map_err(|error| Stop::scratch(&path, &error))?;

    // the newest line only: a slow database must not hold the child up
    let (progress, newest) = watch::channel(json!({}));
    let on_event = |event: Event| match event {
        Event::Log { level, message } => tracing::info!(?level, "{message}"),
        event => {
            if let Ok(line) = serde_json::to_value(&event) {
                progress.send_replace(line);
            }
        }
    };
    tokio::select! {
        summary = child::run(&path, on_event) => summary,
        stop = tell_progress(context, key, newest, Some(EventKind::Metric)) => Err(stop),
    }
}

fn backend(name: &str) -> Result<training::Backend, Stop> {
    serde_json::from_value(Value::from(name)).map_err(|error| Stop::permanent("unknown_backend", format!("backend `{name}`: {error}")))
}

/// Writes the newest progress into the run for as long as it is polled; ends only when the lease is lost. Progress that
/// cannot be written is dropped: it is worth less than the work.
pub(crate) async fn tell_progress(
    context: &WorkerContext,
    key: AttemptKey,
    mut newest: watch::Receiver<Value>,
    event: Option<EventKind>,
) -> Stop {
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
        tokio::time::sleep(PROGRESS_PAUSE).await;
    }
}

async fn write(context: &WorkerContext, key: AttemptKey, progress: &Value, event: Option<EventKind>) -> Result<(), RunsError> {
    let mut conn = context.pool.acquire().await?;
    record_progress(&mut conn, key, progress, event).await
}
