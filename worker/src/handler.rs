//! From doorbell to attempt: an announcement only wakes; what there is to do is claimed in Postgres.

use std::sync::Arc;
use std::time::Duration;

use queue::Ring;
use runs::{Claim, RunsError, claim_next, stop_worker};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::attempt;
use crate::context::{KINDS, WorkerContext};
use crate::probes::Probes;
use crate::shutdown::Shutdown;
use crate::vitals;

const DATABASE_PAUSE: Duration = Duration::from_secs(1);
/// How long the last word to Postgres is waited for.
const FAREWELL: Duration = Duration::from_secs(3);

/// Works until it is told to end, then waits until running attempts have been finished or handed back.
pub(crate) async fn serve(context: Arc<WorkerContext>, shutdown: Shutdown, probes: Probes) {
    let bell = Arc::new(Notify::new());
    // the doorbell, the heartbeat and the probes go on while runs are finished: until this token
    let end = CancellationToken::new();
    let background = TaskTracker::new();
    let doorbell = background.spawn(hear(Arc::clone(&context), Arc::clone(&bell), end.clone()));
    let heartbeat = background.spawn({
        let (context, shutdown, end) = (Arc::clone(&context), shutdown.clone(), end.clone());
        async move { end.run_until_cancelled(vitals::beat(&context, &shutdown)).await.unwrap_or_default() }
    });
    context.vitals.watch(vec![("doorbell", doorbell.abort_handle()), ("heartbeat", heartbeat.abort_handle())]);
    background.spawn(probes.serve(Arc::clone(&context), shutdown.clone(), end.clone()));

    let attempts = TaskTracker::new();
    claim_all(&context, &bell, &shutdown, &attempts).await;
    attempts.close();
    attempts.wait().await;
    end.cancel();
    background.close();
    background.wait().await;
    let farewell = async { stop_worker(&mut *context.pool.acquire().await?, context.id).await };
    match tokio::time::timeout(FAREWELL, farewell).await {
        Ok(Ok(())) => {}
        _ => tracing::warn!("the database does not answer: it will list this worker as silent, not as stopped"),
    }
    tracing::info!("worker stopped");
}

async fn claim_all(context: &Arc<WorkerContext>, bell: &Notify, shutdown: &Shutdown, attempts: &TaskTracker) {
    let slots = Arc::new(Semaphore::new(context.config.slots as usize));
    metrics::gauge!("aprendiz_worker_slots").set(f64::from(context.config.slots));
    let draining = shutdown.draining();
    loop {
        let Some(slot) = draining.run_until_cancelled(Arc::clone(&slots).acquire_owned()).await else { return };
        let slot = slot.expect("the semaphore is never closed");
        let Some((claim, asked_at)) = next_claim(context, bell, draining).await else { return };
        let (context, shutdown) = (Arc::clone(context), shutdown.clone());
        attempts.spawn(async move {
            metrics::gauge!("aprendiz_worker_busy_slots").increment(1.0);
            attempt::execute(&context, claim, asked_at, &shutdown).await;
            metrics::gauge!("aprendiz_worker_busy_slots").decrement(1.0);
            drop(slot);
        });
    }
}

/// Looks for work, then waits for the bell (or looks again after a while), until there is some;
/// also when it was asked for. `None` when draining.
async fn next_claim(context: &WorkerContext, bell: &Notify, draining: &CancellationToken) -> Option<(Claim, Instant)> {
    let mut warned = false;
    while !draining.is_cancelled() {
        // a ring during the look is kept by the bell, so nothing falls between looking and waiting
        let asked_at = Instant::now();
        let pause = match look(context).await {
            Ok(Some(claim)) => return Some((claim, asked_at)),
            Ok(None) => {
                warned = false;
                context.config.look
            }
            Err(error) => {
                if !warned {
                    tracing::warn!(%error, "the database does not answer: looking for work again until it does");
                    warned = true;
                }
                DATABASE_PAUSE
            }
        };
        tokio::select! {
            () = draining.cancelled() => return None,
            () = bell.notified(), if !warned => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    None
}

async fn look(context: &WorkerContext) -> Result<Option<Claim>, RunsError> {
    let mut conn = context.pool.acquire().await?;
    claim_next(&mut conn, context.id, &KINDS, context.config.lease).await
}

async fn hear(context: Arc<WorkerContext>, bell: Arc<Notify>, end: CancellationToken) {
    let hearing = Arc::clone(&context);
    let on_ring = move |ring| {
        match ring {
            Ring::Listening => hearing.vitals.set_listening(true),
            Ring::Deaf => return hearing.vitals.set_listening(false),
            Ring::Garbage(reason) => tracing::warn!(reason, "an entry of the queue is no message and is dropped"),
            Ring::Message(message) => tracing::debug!(training_run.id = %message.run_id, "announced"),
            Ring::Woken => {}
        }
        bell.notify_one();
    };
    queue::listen(&context.config.queue, end, on_ring).await;
}
