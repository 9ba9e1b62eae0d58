//! Claims runs from Postgres and starts their attempts; queue messages only wake the loop up.

use std::sync::Arc;
use std::time::Duration;

use aprendiz_queue::QueueNotification;
use aprendiz_run_spec::RunKind;
use aprendiz_runs::{Claim, RunsError, claim_next, stop_worker};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::attempt;
use crate::context::WorkerContext;
use crate::heartbeat::{QueueState, send_heartbeats};
use crate::probes::Probes;
use crate::retry::in_transaction;
use crate::shutdown::Shutdown;

const DATABASE_RETRY_INTERVAL: Duration = Duration::from_secs(1);
const DEREGISTRATION_TIMEOUT: Duration = Duration::from_secs(3);

/// Serves until shutdown, then waits until running attempts have finished or have been released.
pub(crate) async fn serve(context: Arc<WorkerContext>, shutdown: Shutdown, probes: Probes) {
    let wakeup = Arc::new(Notify::new());
    // queue listener, heartbeat and probes outlive the claim loop: they stop once all attempts have ended
    let end = CancellationToken::new();
    let background = TaskTracker::new();
    let listener = background.spawn(listen_to_queue(Arc::clone(&context), Arc::clone(&wakeup), end.clone()));
    let heartbeat = background.spawn({
        let (context, shutdown, end) = (Arc::clone(&context), shutdown.clone(), end.clone());
        async move {
            let heartbeats = send_heartbeats(&context.deps.database, &context.deps.config, context.id, &context.health, &shutdown);
            end.run_until_cancelled(heartbeats).await.unwrap_or_default();
        }
    });
    context.health.watch(vec![("queue_listener", listener.abort_handle()), ("heartbeat", heartbeat.abort_handle())]);
    background.spawn(probes.serve(Arc::clone(&context), shutdown.clone(), end.clone()));

    let attempts = TaskTracker::new();
    claim_runs(&context, &wakeup, &shutdown, &attempts).await;
    attempts.close();
    attempts.wait().await;
    end.cancel();
    background.close();
    background.wait().await;
    let deregistration = in_transaction!(context.deps.database, tx => stop_worker(&mut tx, context.id));
    match tokio::time::timeout(DEREGISTRATION_TIMEOUT, deregistration).await {
        Ok(Ok(())) => {}
        _ => tracing::warn!("cannot deregister, the database is unavailable: the worker will be listed as silent, not as stopped"),
    }
    tracing::info!("worker stopped");
}

/// Claims a run for each free slot until draining starts.
async fn claim_runs(context: &Arc<WorkerContext>, wakeup: &Notify, shutdown: &Shutdown, attempts: &TaskTracker) {
    let slots = Arc::new(Semaphore::new(context.deps.config.slots as usize));
    metrics::gauge!("aprendiz_worker_slots").set(f64::from(context.deps.config.slots));
    let draining = shutdown.draining();
    loop {
        let Some(slot) = draining.run_until_cancelled(Arc::clone(&slots).acquire_owned()).await else { return };
        let slot = slot.expect("the semaphore is never closed");
        let Some((claim, claimed_at)) = wait_for_claim(context, wakeup, draining).await else { return };
        let (context, shutdown) = (Arc::clone(context), shutdown.clone());
        attempts.spawn(async move {
            metrics::gauge!("aprendiz_worker_busy_slots").increment(1.0);
            attempt::execute(&context.deps, claim, claimed_at, &shutdown).await;
            metrics::gauge!("aprendiz_worker_busy_slots").decrement(1.0);
            drop(slot);
        });
    }
}

/// Polls for a run, then waits for a wake-up or the poll interval. Returns the claim and when it was requested, or `None` once
/// draining starts.
async fn wait_for_claim(context: &WorkerContext, wakeup: &Notify, draining: &CancellationToken) -> Option<(Claim, Instant)> {
    let mut warned = false;
    while !draining.is_cancelled() {
        // `Notify` stores a wake-up that arrives during the poll, so none is missed before waiting
        let claimed_at = Instant::now();
        let delay = match try_claim(context).await {
            Ok(Some(claim)) => return Some((claim, claimed_at)),
            Ok(None) => {
                warned = false;
                context.deps.config.poll_interval
            }
            Err(error) => {
                if !warned {
                    tracing::warn!(%error, "cannot claim runs, retrying until the database is available");
                    warned = true;
                }
                DATABASE_RETRY_INTERVAL
            }
        };
        tokio::select! {
            () = draining.cancelled() => return None,
            () = wakeup.notified(), if !warned => {}
            () = tokio::time::sleep(delay) => {}
        }
    }
    None
}

async fn try_claim(context: &WorkerContext) -> Result<Option<Claim>, RunsError> {
    in_transaction!(context.deps.database, tx => claim_next(&mut tx, context.id, &RunKind::ALL, context.deps.config.lease)).await
}

/// Turns queue notifications into wake-ups until `end`.
async fn listen_to_queue(context: Arc<WorkerContext>, wakeup: Arc<Notify>, end: CancellationToken) {
    let listening = Arc::clone(&context);
    let on_notification = move |notification| {
        match notification {
            QueueNotification::Connected => listening.health.set_queue(QueueState::Listening),
            QueueNotification::Disconnected(fault) => return listening.health.set_queue(QueueState::Unavailable(fault)),
            QueueNotification::Malformed(reason) => tracing::warn!(reason, "dropping a malformed queue entry"),
            QueueNotification::Message(message) => tracing::debug!(training_run.id = %message.run_id, "wake-up received"),
            QueueNotification::Wakeup => {}
        }
        wakeup.notify_one();
    };
    aprendiz_queue::listen(&context.deps.config.queue, end, on_notification).await;
}
