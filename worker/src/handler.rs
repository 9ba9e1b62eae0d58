//! From doorbell to attempt: an announcement only wakes; what there is to do is claimed in Postgres.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use queue::Ring;
use runs::{Claim, RunKind, RunsError, claim_next, heartbeat_worker, stop_worker};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::attempt;
use crate::context::WorkerContext;

/// What this build can carry out.
const KINDS: [RunKind; 2] = [RunKind::Linear, RunKind::Evaluate];
const DATABASE_PAUSE: Duration = Duration::from_secs(1);
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Works until `shutdown`, then waits until running attempts have been handed back.
pub(crate) async fn serve(context: Arc<WorkerContext>, shutdown: CancellationToken) -> Result<()> {
    let bell = Arc::new(Notify::new());
    let background = TaskTracker::new();
    background.spawn(hear(Arc::clone(&context), Arc::clone(&bell), shutdown.clone()));
    background.spawn(tell_of_life(Arc::clone(&context), shutdown.clone()));

    let attempts = TaskTracker::new();
    let slots = Arc::new(Semaphore::new(context.config.slots as usize));
    while !shutdown.is_cancelled() {
        let slot = tokio::select! {
            () = shutdown.cancelled() => break,
            slot = Arc::clone(&slots).acquire_owned() => slot.expect("the semaphore is never closed"),
        };
        let Some(claim) = next_claim(&context, &bell, &shutdown).await else {
            break;
        };
        let (context, shutdown) = (Arc::clone(&context), shutdown.clone());
        attempts.spawn(async move {
            attempt::execute(&context, claim, shutdown).await;
            drop(slot);
        });
    }
    attempts.close();
    attempts.wait().await;
    background.close();
    background.wait().await;
    let mut conn = context.pool.acquire().await?;
    stop_worker(&mut conn, context.id).await?;
    tracing::info!("worker stopped");
    Ok(())
}

/// Looks for work, then waits for the bell (or looks again after a while), until there is some. `None` at shutdown.
async fn next_claim(context: &WorkerContext, bell: &Notify, shutdown: &CancellationToken) -> Option<Claim> {
    let mut warned = false;
    loop {
        // a ring during the look is kept by the bell, so nothing falls between looking and waiting
        let pause = match look(context).await {
            Ok(Some(claim)) => return Some(claim),
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
            () = shutdown.cancelled() => return None,
            () = bell.notified(), if !warned => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn look(context: &WorkerContext) -> Result<Option<Claim>, RunsError> {
    let mut conn = context.pool.acquire().await?;
    claim_next(&mut conn, context.id, &KINDS, context.config.lease).await
}

async fn hear(context: Arc<WorkerContext>, bell: Arc<Notify>, shutdown: CancellationToken) {
    let on_ring = move |ring| {
        match ring {
            Ring::Garbage(reason) => tracing::warn!(reason, "an entry of the queue is no message and is dropped"),
            Ring::Message(message) => tracing::debug!(training_run.id = %message.run_id, "announced"),
            Ring::Woken => {}
        }
        bell.notify_one();
    };
    queue::listen(&context.config.queue, shutdown, on_ring).await;
}

async fn tell_of_life(context: Arc<WorkerContext>, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(HEARTBEAT) => {}
        }
        if let Ok(mut conn) = context.pool.acquire().await
            && let Err(error) = heartbeat_worker(&mut conn, context.id).await
        {
            tracing::debug!(%error, "heartbeat of the worker not written");
        }
    }
}
