//! Relay: publishes wake-ups from the outbox to Redis, at least once. Its latency adds to the start latency of every run.
//!
//! While Redis is unavailable, runs wait in Postgres; each cause is logged once. While Postgres is unavailable, the relay reconnects with
//! back-off. Nothing is lost in either case, because a row leaves the outbox only after Redis has stored its message.

use std::convert::Infallible;
use std::time::Duration;

use aprendiz_db::{Backoff, Database, Session, WarnOnce};
use aprendiz_queue::{Publisher, QueueConfig, QueueError};
use aprendiz_runs::{RunId, RunsError, delete_published, due_outbox_entries, next_due_in, record_publication};
use sqlx::{Connection as _, PgConnection};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

use crate::database::background_session;
use crate::server::metrics::{RELAY_ERRORS, WAKEUPS_PUBLISHED};
use crate::server::task_health::TaskHealth;

const NOTIFY_CHANNEL: &str = "aprendiz_outbox";
/// Maximum number of wake-ups per transaction.
const BATCH_SIZE: i64 = 100;
/// Queue depth above which nothing is published. apalis stalls near 8,000 entries, and workers need only a few at a time.
const MAX_DEPTH: u64 = 1_000;
/// Polling interval of the outbox, in case a notification is lost.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
const MIN_BACKOFF: Duration = Duration::from_millis(250);
const MAX_BACKOFF: Duration = Duration::from_secs(10);
/// Whether Redis accepts writes is checked once in this many idle polls. Every batch checks it as well.
const CHECK_INTERVAL_POLLS: u32 = 10;
/// Remains of finished messages in Redis are pruned once in this many idle polls.
const PRUNE_INTERVAL_POLLS: u32 = 60;

#[derive(Debug, thiserror::Error)]
enum RelayError {
    #[error(transparent)]
    Runs(#[from] RunsError),
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// Notifications may be missing since then.
    #[error("database: the connection that listens for notifications was closed")]
    ListenerClosed,
    #[error(transparent)]
    Queue(#[from] QueueError),
}

impl RelayError {
    /// The cause in words that stay the same while it lasts.
    fn cause(&self) -> String {
        match self {
            Self::Queue(error) => error.cause(),
            other => other.to_string(),
        }
    }
}

/// Runs until shutdown.
pub(crate) async fn run(database: Database, queue: QueueConfig, health: TaskHealth, shutdown: CancellationToken) {
    // a commit that a crash of Postgres loses only publishes a wake-up twice, which is harmless: commits need not wait for the disk
    let session = background_session(&database, "aprendiz-relay", None).set("synchronous_commit", "off");
    let mut backoff = Backoff::new(MIN_BACKOFF, MAX_BACKOFF);
    let mut warned = WarnOnce::default();
    while !shutdown.is_cancelled() {
        let mut relay = Relay { session: &session, queue: &queue, health: &health, warned: &mut warned, backoff: &mut backoff };
        let Some(outcome) = shutdown.run_until_cancelled(relay.work()).await else {
            return;
        };
        let Err(error) = outcome;
        metrics::counter!(RELAY_ERRORS).increment(1);
        health.failed(&error);
        if warned.is_new(&error.cause()) {
            warn!(%error, "relay cannot publish wake-ups; runs wait in the database until it recovers");
        }
        shutdown.run_until_cancelled(sleep(backoff.next_delay())).await;
    }
}

/// State of the relay between two failures.
struct Relay<'a> {
    session: &'a Session,
    queue: &'a QueueConfig,
    health: &'a TaskHealth,
    warned: &'a mut WarnOnce,
    backoff: &'a mut Backoff,
}

impl Relay<'_> {
    /// Publishes wake-ups until an error occurs.
    async fn work(&mut self) -> Result<Infallible, RelayError> {
        let mut listener = self.session.listen(NOTIFY_CHANNEL).await?;
        let mut outbox = self.session.connect().await?;
        let mut marks = self.session.connect().await?;
        let mut publisher = Publisher::connect(self.queue).await?;
        // with an empty outbox nothing else would be written: without this, every attempt would look like a recovery
        publisher.check().await?;
        let mut idle_polls = 0;
        loop {
            let progress = publish_batch(&mut outbox, &mut marks, &mut publisher).await?;
            self.succeeded();
            if progress == BatchProgress::MoreDue {
                continue;
            }
            let due = if progress == BatchProgress::AllPublished { next_due_in(&mut outbox).await? } else { None };
            let wait = due.map_or(POLL_INTERVAL, |due| due.clamp(Duration::from_millis(1), POLL_INTERVAL));
            match timeout(wait, listener.try_recv()).await {
                // one batch may cover several notifications: discard those that it already answered
                Ok(Ok(Some(_))) => while listener.next_buffered().is_some() {},
                Ok(Ok(None)) => return Err(RelayError::ListenerClosed),
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => {
                    idle_polls += 1;
                    if idle_polls % CHECK_INTERVAL_POLLS == 0 {
                        publisher.check().await?;
                    }
                    if idle_polls % PRUNE_INTERVAL_POLLS == 0 {
                        publisher.prune().await?;
                    }
                }
            }
        }
    }

    fn succeeded(&mut self) {
        self.health.succeeded();
        self.backoff.reset();
        if self.warned.clear() {
            info!("relay has recovered");
        }
    }
}

/// State of the outbox after a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BatchProgress {
    /// The batch was full, so more rows may be due.
    MoreDue,
    /// No rows are due.
    AllPublished,
    /// The queue in Redis has reached its maximum depth.
    QueueFull,
}

/// Publishes the due wake-ups. Their rows are deleted only after Redis has stored the messages.
async fn publish_batch(
    outbox: &mut PgConnection,
    marks: &mut PgConnection,
    publisher: &mut Publisher,
) -> Result<BatchProgress, RelayError> {
    // check the depth first: with a full queue, a batch costs one request to Redis, however many runs wait. This delays no run, because the
    // queued entries wake workers often enough, and an awake worker claims the best run, published or not
    if publisher.depth().await? >= MAX_DEPTH {
        return Ok(BatchProgress::QueueFull);
    }
    let mut tx = outbox.begin().await?;
    let due = due_outbox_entries(&mut tx, BATCH_SIZE).await?;
    if due.is_empty() {
        tx.commit().await?;
        return Ok(BatchProgress::AllPublished);
    }
    let (outbox_ids, run_ids): (Vec<i64>, Vec<RunId>) = due.into_iter().unzip();
    // Record and commit the time of publication before the message is sent. A claim skips locked rows, so a worker woken while this update
    // is uncommitted would find nothing and go back to waiting.
    record_publication(marks, &run_ids).await?;
    publisher.publish(&run_ids.iter().map(|id| id.0).collect::<Vec<Uuid>>()).await?;
    delete_published(&mut tx, &outbox_ids).await?;
    tx.commit().await?;
    metrics::counter!(WAKEUPS_PUBLISHED).increment(run_ids.len() as u64);
    Ok(if i64::try_from(run_ids.len()) == Ok(BATCH_SIZE) { BatchProgress::MoreDue } else { BatchProgress::AllPublished })
}
