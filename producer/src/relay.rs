//! Moves announcements from the outbox to Redis, at least once. It also wakes the workers, so its latency is that of a run.
//!
//! Redis away: runs wait in Postgres, one warning per cause, back-off. Postgres away: reconnect with back-off. Nothing is lost either
//! way, because a row leaves the outbox only after Redis has taken its message.

use std::io;
use std::time::Duration;

use queue::{Announcer, QueueConfig, QueueError};
use runs::{RunId, RunsError, announced, due_announcements, next_due_in};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions};
use sqlx::{Connection as _, PgConnection};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

use crate::database::loop_session;

use crate::metrics::{ANNOUNCED, RELAY_ERRORS};

const CHANNEL: &str = "aprendiz_outbox";
/// Announcements in one transaction.
const BATCH: i64 = 100;
/// Entries waiting in Redis above which nothing is added. apalis wedges near 8,000; workers need a few at a time.
const MAX_DEPTH: u64 = 1_000;
/// The outbox is looked into this often even when nobody calls.
const POLL: Duration = Duration::from_secs(1);
const SHORTEST_BACKOFF: Duration = Duration::from_millis(250);
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);
/// What finished messages leave in Redis is removed once in so many polls.
const TIDY_EVERY: u32 = 60;

#[derive(Debug, thiserror::Error)]
enum RelayError {
    #[error(transparent)]
    Runs(#[from] RunsError),
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// Runs until shutdown.
pub(crate) async fn run(database: PgConnectOptions, queue: QueueConfig, shutdown: CancellationToken) {
    // what is lost of these commits in a crash of Postgres is announced twice, which does no harm: so they need not wait for the disk
    let options = loop_session(database, "aprendiz-relay", None).options([("synchronous_commit", "off")]);
    let mut backoff = SHORTEST_BACKOFF;
    // the newest complaint: another one is news
    let mut told: Option<String> = None;
    while !shutdown.is_cancelled() {
        let mut relay = Relay { options: &options, queue: &queue, told: &mut told, backoff: &mut backoff };
        let Some(outcome) = shutdown.run_until_cancelled(relay.work()).await else {
            return;
        };
        let Err(error) = outcome;
        metrics::counter!(RELAY_ERRORS).increment(1);
        let complaint = Some(error.to_string());
        if told != complaint {
            warn!(%error, "the relay cannot announce runs: they wait in the database until it can");
            told = complaint;
        }
        shutdown.run_until_cancelled(sleep(backoff)).await;
        backoff = (backoff * 2).min(LONGEST_BACKOFF);
    }
}

/// Connections of one stretch of work without failure.
struct Relay<'a> {
    options: &'a PgConnectOptions,
    queue: &'a QueueConfig,
    told: &'a mut Option<String>,
    backoff: &'a mut Duration,
}

/// Never made: work ends by an error only.
enum Never {}

impl Relay<'_> {
    async fn work(&mut self) -> Result<Never, RelayError> {
        let mut listener = PgListener::connect_with(&self.pool().await?).await?;
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        let mut outbox = PgConnection::connect_with(self.options).await?;
        let mut marks = PgConnection::connect_with(self.options).await?;
        let mut announcer = Announcer::connect(self.queue).await?;
        let mut idle_polls = 0;
        loop {
            let moved = move_batch(&mut outbox, &mut marks, &mut announcer).await?;
            self.recovered();
            if moved == Moved::More {
                continue;
            }
            let due = if moved == Moved::Everything { next_due_in(&mut outbox).await? } else { None };
            let patience = due.map_or(POLL, |due| due.clamp(Duration::from_millis(1), POLL));
            match timeout(patience, listener.try_recv()).await {
                // several rows may have been announced by one look: forget the calls that it answered
                Ok(Ok(Some(_))) => while listener.next_buffered().is_some() {},
                Ok(Ok(None)) => return Err(RelayError::Database(sqlx::Error::Io(io::ErrorKind::ConnectionReset.into()))),
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => {
                    idle_polls += 1;
                    if idle_polls % TIDY_EVERY == 0 {
                        announcer.tidy().await?;
                    }
                }
            }
        }
    }

    /// The listener wants a pool; it holds the only connection of this one.
    async fn pool(&self) -> Result<PgPool, sqlx::Error> {
        PgPoolOptions::new().max_connections(1).connect_with(self.options.clone()).await
    }

    fn recovered(&mut self) {
        *self.backoff = SHORTEST_BACKOFF;
        if self.told.take().is_some() {
            info!("the relay announces runs again");
        }
    }
}

/// What is left after a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moved {
    /// Maybe more: look again at once.
    More,
    /// Nothing that is due.
    Everything,
    /// Redis is full enough.
    Held,
}

/// Announces what is due. The rows are deleted only once Redis has taken the messages.
async fn move_batch(outbox: &mut PgConnection, marks: &mut PgConnection, announcer: &mut Announcer) -> Result<Moved, RelayError> {
    // first of all: a full queue costs one question to Redis, however many runs wait. Nothing is late for it, because so many
    // entries wake the workers many times, and a worker that is awake claims the best run, announced or not
    if announcer.depth().await? >= MAX_DEPTH {
        return Ok(Moved::Held);
    }
    let mut tx = outbox.begin().await?;
    let due = due_announcements(&mut tx, BATCH).await?;
    if due.is_empty() {
        tx.commit().await?;
        return Ok(Moved::Everything);
    }
    let (outbox_ids, run_ids): (Vec<i64>, Vec<RunId>) = due.into_iter().unzip();
    // The time of the announcement is written to the run before its message goes out, and committed: a claim passes over locked
    // rows, so a worker woken while this update was still open would find nothing and sleep on.
    announced(marks, &[], &run_ids).await?;
    announcer.announce(&run_ids.iter().map(|id| id.0).collect::<Vec<Uuid>>()).await?;
    announced(&mut tx, &outbox_ids, &[]).await?;
    tx.commit().await?;
    metrics::counter!(ANNOUNCED).increment(run_ids.len() as u64);
    Ok(if i64::try_from(run_ids.len()) == Ok(BATCH) { Moved::More } else { Moved::Everything })
}
