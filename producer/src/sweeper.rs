//! Keeps the bucket clean: objects that nothing will ever refer to go, bytes first, then the row. One producer at a time does it, by
//! an advisory lock that its connection holds, as for the reaper. Were there two, they would only do some things twice: whether an
//! object may go is decided by its row, and a deletion can be repeated.

use std::time::Duration;

use artifacts::{Store, StoreError};
use runs::{CondemnedObject, RunsError, condemn_pending_objects, condemned_objects, discard_ended_checkpoints, forget_object};
use sqlx::postgres::{PgAdvisoryLock, PgConnectOptions};
use sqlx::{Connection as _, Either, PgConnection};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::bucket_walk::BucketWalk;
use crate::config::SweepConfig;
use crate::database::loop_session;
use crate::metrics::SWEPT;

/// Objects condemned, and objects deleted, in one round.
const ROUND: i64 = 1_000;
/// Rows read at once.
const PAGE: i64 = 100;
/// A sweeper that asks Postgres nothing for so long hangs.
const HUNG: Duration = Duration::from_secs(600);
/// Name of the lock, hashed by the library into a number.
const LOCK: &str = "aprendiz.sweeper";

#[derive(Debug, thiserror::Error)]
pub(crate) enum SweepError {
    #[error(transparent)]
    Runs(#[from] RunsError),
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Runs until shutdown.
pub(crate) async fn run(database: PgConnectOptions, store: Store, config: SweepConfig, shutdown: CancellationToken) {
    // deletions in the bucket lie between its statements
    let options = loop_session(database, "aprendiz-sweeper", Some(config.every + HUNG));
    let mut walk = BucketWalk::default();
    let mut is_away = false;
    while !shutdown.is_cancelled() {
        let mut on_round = || {
            if std::mem::take(&mut is_away) {
                info!("the sweeper works again");
            }
        };
        let work = work(&options, &store, &config, &mut walk, &mut on_round);
        let Some(outcome) = shutdown.run_until_cancelled(work).await else {
            return;
        };
        let Err(error) = outcome;
        if !std::mem::replace(&mut is_away, true) {
            warn!(%error, "the sweeper cannot work: what nothing refers to stays in the bucket until it can");
        }
        shutdown.run_until_cancelled(sleep(config.every)).await;
    }
}

/// Never made: work ends by an error only.
enum Never {}

async fn work(
    options: &PgConnectOptions,
    store: &Store,
    config: &SweepConfig,
    walk: &mut BucketWalk,
    on_round: &mut impl FnMut(),
) -> Result<Never, SweepError> {
    let lock = PgAdvisoryLock::new(LOCK);
    let mut conn = PgConnection::connect_with(options).await?;
    loop {
        match lock.try_acquire(conn).await? {
            Either::Left(mut guard) => loop {
                sweep(guard.as_mut(), store, config).await?;
                walk.advance(guard.as_mut(), store, config.after).await?;
                on_round();
                sleep(config.every).await;
            },
            // another producer does it
            Either::Right(unlocked) => conn = unlocked,
        }
        on_round();
        sleep(config.every).await;
    }
}

/// One round over the rows.
async fn sweep(conn: &mut PgConnection, store: &Store, config: &SweepConfig) -> Result<(), SweepError> {
    let checkpoints = discard_ended_checkpoints(conn, config.keep_checkpoints, ROUND).await?;
    let pending = condemn_pending_objects(conn, config.after, ROUND).await?;
    if checkpoints + pending > 0 {
        info!(objects.pending = pending, checkpoints, "gave up what no run needs any more");
    }
    let deleted = delete_condemned(conn, store).await?;
    if deleted > 0 {
        info!(objects = deleted, "deleted objects that belong to nothing");
    }
    Ok(())
}

/// Deletes the bytes, then the rows, of objects that are `deleting`, whoever condemned them. One that the bucket does not let go
/// of is told and left for the next round: it must not keep the others.
async fn delete_condemned(conn: &mut PgConnection, store: &Store) -> Result<u64, SweepError> {
    let mut after = String::new();
    let mut deleted = 0;
    for _ in 0..ROUND / PAGE {
        let page = condemned_objects(conn, &after, PAGE).await?;
        let Some(last) = page.last() else {
            break;
        };
        after.clone_from(&last.key);
        for object in page {
            if let Err(error) = delete_bytes(store, &object).await {
                // is it this object, or all of them?
                store.check().await?;
                warn!(object.key, %error, "an object cannot be deleted: it is tried again in the next round");
                continue;
            }
            if forget_object(conn, &object.key).await? {
                metrics::counter!(SWEPT).increment(1);
                deleted += 1;
            }
        }
    }
    Ok(deleted)
}

async fn delete_bytes(store: &Store, object: &CondemnedObject) -> Result<(), StoreError> {
    if let Some(upload_id) = &object.upload_id
        && !store.abort_upload(&object.key, upload_id).await?
    {
        debug!(object.key, "its multipart upload has ended already");
    }
    store.delete(&object.key).await
}
