//! One attempt: runs the pipeline while the lease holds, then records the outcome.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, SystemTime};

use aprendiz_runs::{AttemptId, Claim, Failure, FailureOutcome, RunsError, cancel_attempt, fail_attempt, release_attempt};
use aprendiz_telemetry::{TraceContext, continue_trace, fail_span, record_span, set_attribute, untraced};
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

/// Why the outcome of an attempt is not recorded.
#[derive(Debug, thiserror::Error)]
enum RecordError {
    /// Postgres did not execute the transaction, or the attempt no longer owns its run.
    #[error(transparent)]
    Runs(#[from] RunsError),
    /// Postgres does not answer.
    #[error("the database did not answer within {} s", .0.as_secs())]
    TimedOut(Duration),
}

impl RecordError {
    const fn is_lease_lost(&self) -> bool {
        matches!(self, Self::Runs(RunsError::LeaseLost { .. }))
    }
}

/// How an attempt ended.
enum AttemptOutcome {
    Succeeded,
    CancelRequested,
    LeaseLost,
    ShuttingDown,
    /// Another run builds the dataset.
    AwaitingDataset,
    /// The trials of the sweep run.
    AwaitingTrials,
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
    continue_run(&span, &claim, claimed_at);
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
            tracing::warn!("the lease has expired: the work of the attempt is stopped and its training process is killed");
        }
        let recorded = record(deps, attempt, &outcome).await;
        let seconds = started.elapsed().as_secs_f64();
        let label = outcome_label(&outcome, &recorded);
        record_outcome(label, &outcome);
        metrics::counter!("aprendiz_worker_attempts_total", "kind" => kind.as_str(), "outcome" => label).increment(1);
        match (&outcome, recorded) {
            (AttemptOutcome::Succeeded, _) => tracing::info!(seconds, "run succeeded"),
            (AttemptOutcome::LeaseLost, _) => tracing::warn!(seconds, "lease lost, abandoning the attempt"),
            (_, Err(error)) if error.is_lease_lost() => tracing::warn!(seconds, "lease lost, abandoning the attempt"),
            (_, Err(error)) => {
                tracing::error!(%error, "cannot record the outcome of the attempt: the run is requeued when its lease expires");
            }
            (AttemptOutcome::CancelRequested, Ok(())) => tracing::info!(seconds, "run cancelled"),
            (AttemptOutcome::ShuttingDown, Ok(())) => tracing::info!(seconds, "run released"),
            (AttemptOutcome::AwaitingDataset, Ok(())) => tracing::info!(seconds, "run released until its dataset is built"),
            (AttemptOutcome::AwaitingTrials, Ok(())) => tracing::info!(seconds, "sweep released until a trial ends"),
            (AttemptOutcome::Failed(failure), Ok(())) => {
                tracing::warn!(seconds, error.code = failure.code, error.text = failure.text, "attempt failed");
            }
        }
    }
    .instrument(span)
    .await;
}

/// Continues the trace of the request that created the run, and adds the time in the queue and the claim to it.
fn continue_run(span: &tracing::Span, claim: &Claim, claimed_at: Instant) {
    let run = &claim.run;
    let Some(parent) = run.trace_parent.as_deref().and_then(|parent| TraceContext::parse(parent, run.trace_state.as_deref())) else {
        return;
    };
    continue_trace(span, &parent);
    let claimed = SystemTime::now();
    let claiming = claimed.checked_sub(claimed_at.elapsed()).unwrap_or(claimed);
    let attributes = [("training_run.id", run.id.to_string()), ("attempt.number", claim.attempt.number.to_string())];
    // a run that was released or retried waits from the time at which it became claimable again
    if claim.attempt.number == 1 || run.run_after > run.created_at {
        record_span("queued", &parent, run.created_at.max(run.run_after).into(), claiming, &attributes);
    }
    record_span("claim", &parent, claiming, claimed, &attributes);
}

/// Adds the outcome to the exported span.
fn record_outcome(label: &'static str, outcome: &AttemptOutcome) {
    let span = tracing::Span::current();
    set_attribute(&span, "attempt.outcome", label);
    if let AttemptOutcome::Failed(failure) = outcome {
        // the code only: the text may name a document
        fail_span(&span, failure.code.clone());
    }
}

/// Runs the pipeline until it ends or must stop. Dropping its future stops it anywhere: statements are cancelled with their
/// connection, and the training process is killed.
async fn run_pipeline(deps: &Deps, claim: Claim, shutdown: &Shutdown, claimed_at: Instant) -> AttemptOutcome {
    let attempt = claim.attempt;
    tokio::select! {
        // a published run has succeeded, even if a reason to stop arrived at the same moment
        biased;
        result = Box::pin(pipeline::run(deps, claim, shutdown.shutting_down())) => match result {
            Ok(()) => AttemptOutcome::Succeeded,
            Err(Interruption::LeaseLost) => AttemptOutcome::LeaseLost,
            Err(Interruption::CancelRequested) => AttemptOutcome::CancelRequested,
            Err(Interruption::ShuttingDown) => AttemptOutcome::ShuttingDown,
            Err(Interruption::AwaitingDataset) => AttemptOutcome::AwaitingDataset,
            Err(Interruption::AwaitingTrials) => AttemptOutcome::AwaitingTrials,
            Err(Interruption::DatabaseRetry { text, .. }) => {
                AttemptOutcome::Failed(Failure { code: "database".to_owned(), text, retryable: true })
            }
            Err(Interruption::Failed(failure)) => AttemptOutcome::Failed(failure),
        },
        // its statements repeat as long as the attempt runs, and would bury the others in the trace
        end = untraced(lease::keep(&deps.database, attempt, deps.config.lease, claimed_at)) => match end {
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
fn outcome_label(outcome: &AttemptOutcome, recorded: &Result<(), RecordError>) -> &'static str {
    match (outcome, recorded) {
        (AttemptOutcome::LeaseLost, _) => "lost",
        (_, Err(error)) if error.is_lease_lost() => "lost",
        (_, Err(_)) => "unrecorded",
        (AttemptOutcome::Succeeded, Ok(())) => "succeeded",
        (AttemptOutcome::CancelRequested, Ok(())) => "cancelled",
        (AttemptOutcome::ShuttingDown | AttemptOutcome::AwaitingDataset | AttemptOutcome::AwaitingTrials, Ok(())) => "released",
        (AttemptOutcome::Failed(_), Ok(())) => "failed",
    }
}

/// Records the outcome, retrying while the lease may still hold.
async fn record(deps: &Deps, attempt: AttemptId, outcome: &AttemptOutcome) -> Result<(), RecordError> {
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
            Ok(result) => return Ok(result?),
            Err(_) => return Err(RecordError::TimedOut(limit)),
        }
    }
}

async fn record_once(deps: &Deps, attempt: AttemptId, outcome: &AttemptOutcome) -> Result<(), RunsError> {
    match outcome {
        // an attempt without its lease must not write anything
        AttemptOutcome::Succeeded | AttemptOutcome::AwaitingDataset | AttemptOutcome::AwaitingTrials | AttemptOutcome::LeaseLost => Ok(()),
        AttemptOutcome::CancelRequested => in_transaction!(deps.database, tx => cancel_attempt(&mut tx, attempt)).await,
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
