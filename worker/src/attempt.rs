//! One attempt: the pipeline beside its lease, and what is recorded at the end.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use runs::{AttemptKey, Claim, Failure, FailureOutcome, RunsError, cancel_attempt, fail_attempt, release_attempt};
use tokio::time::{Instant, timeout};
use tracing::Instrument as _;

use crate::context::WorkerContext;
use crate::failure::Stop;
use crate::lease::{self, LeaseEnd};
use crate::pipeline;
use crate::shutdown::Shutdown;

const RECORD_PAUSE: Duration = Duration::from_millis(500);
const FAREWELL: Duration = Duration::from_secs(5);

/// How the work on an attempt ended.
enum End {
    Finished,
    CancelRequested,
    LeaseLost,
    ShuttingDown,
    /// For a snapshot that another run builds.
    Waits,
    Failed(Failure),
}

/// Carries out a claimed run and records the outcome; the lease counts from `asked_at`, when the claim was asked for. Never fails: what cannot be recorded is taken back by the reaper.
pub(crate) async fn execute(context: &Arc<WorkerContext>, claim: Claim, asked_at: Instant, shutdown: &Shutdown) {
    let (key, kind) = (claim.attempt, claim.run.kind);
    let span = tracing::info_span!("attempt", training_run.id = %key.run_id, attempt.number = key.number, run.kind = %kind, trace.parent = claim.run.trace_parent);
    async {
        tracing::info!("claimed");
        let started = Instant::now();
        let working = AssertUnwindSafe(work(context, claim, shutdown, asked_at)).catch_unwind();
        let end = working.await.unwrap_or_else(|_| {
            // the hook of panics has said where
            let text = "the worker panicked while it worked on the run: its log says where".to_owned();
            End::Failed(Failure { code: "worker_panicked".to_owned(), text, retryable: true })
        });
        let recorded = record(context, key, &end).await;
        let seconds = started.elapsed().as_secs_f64();
        metrics::counter!("aprendiz_worker_attempts_total", "kind" => kind.as_str(), "outcome" => outcome(&end, &recorded)).increment(1);
        match (&end, recorded) {
            (End::Finished, _) => tracing::info!(seconds, "finished"),
            (End::LeaseLost, _) | (_, Err(RunsError::LeaseLost { .. })) => {
                tracing::warn!(seconds, "the lease is lost: nothing more is changed")
            }
            (_, Err(error)) => {
                tracing::error!(%error, "the end of the attempt could not be recorded: it will be taken back when its lease expires")
            }
            (End::CancelRequested, Ok(())) => tracing::info!(seconds, "cancelled"),
            (End::ShuttingDown, Ok(())) => tracing::info!(seconds, "handed back"),
            (End::Waits, Ok(())) => tracing::info!(seconds, "waits for a snapshot"),
            (End::Failed(failure), Ok(())) => tracing::warn!(seconds, error.code = failure.code, error.text = failure.text, "failed"),
        }
    }
    .instrument(span)
    .await;
}

/// Dropping the pipeline stops it wherever it is: statements are cancelled with their connection, the child is killed.
async fn work(context: &Arc<WorkerContext>, claim: Claim, shutdown: &Shutdown, asked_at: Instant) -> End {
    let key = claim.attempt;
    tokio::select! {
        // what has been published is finished, even when a reason to stop came at the same moment
        biased;
        outcome = pipeline::run(context, claim, shutdown.handing_back()) => match outcome {
            Ok(()) => End::Finished,
            Err(Stop::LeaseLost) => End::LeaseLost,
            Err(Stop::HandedBack) => End::ShuttingDown,
            Err(Stop::Waits) => End::Waits,
            Err(Stop::Outage(text)) => End::Failed(Failure { code: "database".to_owned(), text, retryable: true }),
            Err(Stop::Failed(failure)) => End::Failed(failure),
        },
        end = lease::keep(&context.pool, key, context.config.lease, asked_at) => match end {
            LeaseEnd::CancelRequested => End::CancelRequested,
            LeaseEnd::Lost => End::LeaseLost,
        },
        () = grace_is_over(context, shutdown) => End::ShuttingDown,
    }
}

/// What is not saved by then is lost with this process, up to the last checkpoint.
async fn grace_is_over(context: &WorkerContext, shutdown: &Shutdown) {
    shutdown.handing_back().cancelled().await;
    tokio::time::sleep(context.config.grace).await;
}

/// Name of the outcome in metrics.
fn outcome(end: &End, recorded: &Result<(), RunsError>) -> &'static str {
    match (end, recorded) {
        (End::LeaseLost, _) | (_, Err(RunsError::LeaseLost { .. })) => "lost",
        (_, Err(_)) => "unrecorded",
        (End::Finished, Ok(())) => "succeeded",
        (End::CancelRequested, Ok(())) => "cancelled",
        (End::ShuttingDown | End::Waits, Ok(())) => "released",
        (End::Failed(_), Ok(())) => "failed",
    }
}

/// Records the end, trying again while the lease may still be ours.
async fn record(context: &WorkerContext, key: AttemptKey, end: &End) -> Result<(), RunsError> {
    // a process that is to end does not wait for a database that is away: the run is taken back when its lease expires
    let patience = if matches!(end, End::ShuttingDown) { FAREWELL.min(context.config.lease) } else { context.config.lease };
    let deadline = Instant::now() + patience;
    loop {
        // a connection that is half open would answer in minutes
        let left = deadline.saturating_duration_since(Instant::now()).max(RECORD_PAUSE);
        match timeout(left, record_once(context, key, end)).await {
            Ok(Err(error)) if error.is_retryable() && Instant::now() < deadline => tokio::time::sleep(RECORD_PAUSE).await,
            Ok(outcome) => return outcome,
            Err(_) => return Err(RunsError::Database(sqlx::Error::PoolTimedOut)),
        }
    }
}

async fn record_once(context: &WorkerContext, key: AttemptKey, end: &End) -> Result<(), RunsError> {
    match end {
        End::Finished | End::Waits => Ok(()),
        // a lost lease may only mean that a publication and a cancellation met: then the run still waits for its end
        End::LeaseLost | End::CancelRequested => {
            let mut conn = context.pool.acquire().await?;
            if runs::cancel_was_requested(&mut conn, key).await? {
                cancel_attempt(&mut conn, key).await
            } else {
                Err(RunsError::LeaseLost { run_id: key.run_id, number: key.number })
            }
        }
        End::ShuttingDown => release_attempt(&mut *context.pool.acquire().await?, key).await,
        End::Failed(failure) => {
            let outcome = fail_attempt(&mut *context.pool.acquire().await?, key, failure, jitter()).await?;
            if outcome == FailureOutcome::Retrying {
                tracing::info!("another attempt will be made");
            }
            Ok(())
        }
    }
}

/// In [0, 1): the only thing it decides is when a retry comes.
fn jitter() -> f64 {
    let bits = uuid::Uuid::new_v4().as_u128() as u32;
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}
