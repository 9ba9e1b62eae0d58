//! Runs the evaluation process and writes its progress.

use aprendiz_runs::{AttemptId, EventKind};
use aprendiz_training::EvaluationJob;
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::child::supervisor::{self, ChildOutcome};
use crate::deps::Deps;
use crate::interruption::Interruption;
use crate::pipeline::progress::{report, report_progress};
use crate::scratch::{Scratch, write_file};

/// Evaluates in a child process, because the computation is long; the process is killed when this future is dropped.
pub(in crate::pipeline::evaluate) async fn run_evaluation(
    deps: &Deps,
    attempt: AttemptId,
    job: &EvaluationJob,
    scratch: &Scratch,
) -> Result<ChildOutcome, Interruption> {
    let path = scratch.job();
    write_file(&path, &serde_json::to_vec_pretty(job).map_err(Interruption::broken_state)?).await?;
    let (progress, latest) = watch::channel(json!({}));
    // an evaluation has no checkpoints: at shutdown it either ends within the grace period or starts over in the next attempt
    let never = CancellationToken::new();
    let child = supervisor::run("evaluate", &path, deps.config.child_timeout, &never, |event| report(&event, &progress));
    tokio::select! {
        outcome = child => outcome,
        interruption = report_progress(&deps.database, attempt, latest, Some(EventKind::Metric)) => Err(interruption),
    }
}

/// The process ended with the result of another job.
pub(in crate::pipeline::evaluate) fn unexpected_outcome() -> Interruption {
    Interruption::permanent("child_protocol", "the evaluation process returned the result of another job")
}
