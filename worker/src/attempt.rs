//! One attempt: runs the pipeline while the lease holds, then records the outcome.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use aprendiz_runs::{AttemptId, Claim, Failure, FailureOutcome, RunsError, cancel_attempt, fail_attempt, release_attempt};
use futures::FutureExt as _;
use tokio::time::{Instant, timeout};
use tracing::Instrument as _;

use crate::deps::Deps;
use crate::interruption::Interruption;
use crate::lease::{self, LeaseEnd};
use crate::pipeline;
use crate::retry::in_transaction;
use crate::shutdown::Shutdown;

const RECORD_RETRY_INTERVAL: Duration = Duration::from_millis(500);
const SHUTDOWN_RECORD_TIMEOUT: Duration = Duration::from_secs(5);

/// How an attempt ended.
enum AttemptOutcome {
    Succeeded,
    CancelRequested,
    LeaseLost,
    ShuttingDown,
    /// Another run builds the dataset.
    AwaitingDataset,
    Failed(Failure),
}

/// Executes a claimed run and records the outcome.
///
/// The lease counts from `claimed_at`, the time the claim was sent. Errors are logged, not returned: the reaper takes over a run
/// whose outcome cannot be recorded.
pub(crate) async fn execute(deps: &Deps, claim: Claim, claimed_at: Instant, shutdown: &Shutdown) {
    let (attempt, kind) = (claim.attempt, claim.run.kind);
    let span = tracing::info_span!(
        "attempt",
        training_run.id = %attempt.run_id,
        attempt.number = attempt.number,
        run.kind = %kind,
        trace.parent = claim.run.trace_parent
    );
    async {
        tracing::info!("run claimed");
        let started = Instant::now();
        let work = AssertUnwindSafe(run_pipeline(deps, claim, shutdown, claimed_at)).catch_unwind();
        let outcome = work.await.unwrap_or_else(|_| {
            // the panic hook has logged the location
            let text = "the worker panicked while it executed the run: see its log for the location".to_owned();
            AttemptOutcome::Failed(Failure { code: "worker_panicked".to_owned(), text, retryable: true })
        });
        if matches!(outcome, AttemptOutcome::LeaseLost) {
            // before recording, which waits for the database for up to the time of a lease
            tracing::warn!("the lease has expired: the work of the attempt is stopped and its training process is killed");
        }
        let recorded = record(deps, attempt, &outcome).await;
        let seconds = started.elapsed().as_secs_f64();
        let label = outcome_label(&outcome, &recorded);
        metrics::counter!("aprendiz_worker_attempts_total", "kind" => kind.as_str(), "outcome" => label).increment(1);
        match (&outcome, recorded) {
            (AttemptOutcome::Succeeded, _) => tracing::info!(seconds, "run succeeded"),
            (AttemptOutcome::LeaseLost, _) | (_, Err(RunsError::LeaseLost { .. })) => {
                tracing::warn!(seconds, "lease lost, abandoning the attempt");
            }
            (_, Err(error)) => {
                tracing::error!(%error, "cannot record the outcome of the attempt: the run is requeued when its lease expires");
            }
            (AttemptOutcome::CancelRequested, Ok(())) => tracing::info!(seconds, "run cancelled"),
            (AttemptOutcome::ShuttingDown, Ok(())) => tracing::info!(seconds, "run released"),
            (AttemptOutcome::AwaitingDataset, Ok(())) => tracing::info!(seconds, "run released until its dataset is built"),
            (AttemptOutcome::Failed(failure), Ok(())) => {
                tracing::warn!(seconds, error.code = failure.code, error.text = failure.text, "attempt failed");
            }
        }
    }
    .instrument(span)
    .await;
}

/// Runs the pipeline until it ends or must stop. Dropping its future stops it anywhere: statements are cancelled with their
/// connection, and the training process is killed.
async fn run_pipeline(deps: &Deps, claim: Claim, shutdown: &Shutdown, claimed_at: Instant) -> AttemptOutcome {
    let attempt = claim.attempt;
    tokio::select! {
        // a published run has succeeded, even if a reason to stop arrived at the same moment
        biased;
        result = pipeline::run(deps, claim, shutdown.shutting_down()) => match result {
            Ok(()) => AttemptOutcome::Succeeded,
            Err(Interruption::LeaseLost) => AttemptOutcome::LeaseLost,
            Err(Interruption::ShuttingDown) => AttemptOutcome::ShuttingDown,
            Err(Interruption::AwaitingDataset) => AttemptOutcome::AwaitingDataset,
            Err(Interruption::DatabaseRetry(text)) => {
                AttemptOutcome::Failed(Failure { code: "database".to_owned(), text, retryable: true })
            }
            Err(Interruption::Failed(failure)) => AttemptOutcome::Failed(failure),
        },
        end = lease::keep(&deps.database, attempt, deps.config.lease, claimed_at) => match end {
            LeaseEnd::CancelRequested => AttemptOutcome::CancelRequested,
            LeaseEnd::Lost => AttemptOutcome::LeaseLost,
        },
        () = grace_period_end(deps, shutdown) => AttemptOutcome::ShuttingDown,
    }
}

/// Work since the last checkpoint that is not saved by then is lost.
async fn grace_period_end(deps: &Deps, shutdown: &Shutdown) {
    shutdown.shutting_down().cancelled().await;
    tokio::time::sleep(deps.config.grace_period).await;
}

/// The outcome as a metric label.
fn outcome_label(outcome: &AttemptOutcome, recorded: &Result<(), RunsError>) -> &'static str {
    match (outcome, recorded) {
        (AttemptOutcome::LeaseLost, _) | (_, Err(RunsError::LeaseLost { .. })) => "lost",
        (_, Err(_)) => "unrecorded",
        (AttemptOutcome::Succeeded, Ok(())) => "succeeded",
        (AttemptOutcome::CancelRequested, Ok(())) => "cancelled",
        (AttemptOutcome::ShuttingDown | AttemptOutcome::AwaitingDataset, Ok(())) => "released",
        (AttemptOutcome::Failed(_), Ok(())) => "failed",
    }
}

/// Records the outcome, retrying while the lease may still hold.
async fn record(deps: &Deps, attempt: AttemptId, outcome: &AttemptOutcome) -> Result<(), RunsError> {
    // a worker that shuts down does not wait for an unavailable database: the run is requeued when its lease expires
    let limit = match outcome {
        AttemptOutcome::ShuttingDown => SHUTDOWN_RECORD_TIMEOUT.min(deps.config.lease),
        _ => deps.config.lease,
    };
    let deadline = Instant::now() + limit;
    loop {
        // a half-open connection would fail only after minutes
        let remaining = deadline.saturating_duration_since(Instant::now()).max(RECORD_RETRY_INTERVAL);
        match timeout(remaining, record_once(deps, attempt, outcome)).await {
            Ok(Err(error)) if error.is_retryable() && Instant::now() < deadline => tokio::time::sleep(RECORD_RETRY_INTERVAL).await,
            Ok(result) => return result,
            Err(_) => return Err(RunsError::Database(sqlx::Error::PoolTimedOut)),
        }
    }
}

async fn record_once(deps: &Deps, attempt: AttemptId, outcome: &AttemptOutcome) -> Result<(), RunsError> {
    match outcome {
        AttemptOutcome::Succeeded | AttemptOutcome::AwaitingDataset => Ok(()),
        // publication also reports a lost lease when a cancellation came first: the run then still has to be cancelled
        AttemptOutcome::LeaseLost | AttemptOutcome::CancelRequested => {
            let mut tx = deps.database.begin().await?;
            if !aprendiz_runs::cancel_was_requested(&mut tx, attempt).await? {
                return Err(RunsError::LeaseLost { run_id: attempt.run_id, number: attempt.number });
            }
            cancel_attempt(&mut tx, attempt).await?;
            Ok(tx.commit().await?)
        }
        AttemptOutcome::ShuttingDown => in_transaction!(deps.database, tx => release_attempt(&mut tx, attempt)).await,
        AttemptOutcome::Failed(failure) => {
            // the jitter in [0, 1) spreads retries over time
            let failing: Result<FailureOutcome, RunsError> =
                in_transaction!(deps.database, tx => fail_attempt(&mut tx, attempt, failure, fastrand::f64())).await;
            let outcome = failing?;
            if outcome == FailureOutcome::Retrying {
                tracing::info!("the run will be retried");
            }
            Ok(())
        }
    }
}
