//! Sweeper: deletes sessions of the web interface that have ended, and unreferenced objects from the bucket, first the bytes, then the
//! row. One producer at a time is active; it holds an
//! advisory lock on its connection, like the reaper. Two active sweepers would be harmless: the row decides whether an object may be
//! deleted, and deletions can be repeated.

use std::time::Duration;

use aprendiz_artifacts::{Store, StoreError};
use aprendiz_db::{Database, LeaderError, LeaderLock, LeaderOptions, LeaderTask, run_as_leader};
use aprendiz_runs::{
    MAX_SHADOW_DISAGREEMENTS, PendingDeletion, SHADOW_RETENTION_DAYS, delete_object_row, discard_ended_checkpoints, list_pending_deletions,
    mark_abandoned_objects, prune_shadow, prune_used_sign_ins, prune_web_sessions,
};
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::config::{SessionConfig, SweepConfig};
use crate::database::background_session;
use crate::server::metrics::SWEPT_OBJECTS;
use crate::server::orphan_scanner::OrphanScanner;
use crate::server::sweep_error::SweepError;
use crate::server::task_health::TaskHealth;

/// Maximum number of objects marked and deleted per round.
const ROUND_SIZE: i64 = 1_000;
/// Rows per query.
const PAGE_SIZE: i64 = 100;
/// Maximum silence of a session beyond the sweep interval. A sweeper that hangs longer loses its session.
const SESSION_TIMEOUT: Duration = Duration::from_secs(600);

/// Time without a successful round after which the sweeper counts as overdue: several rounds, one of which may delete many objects.
pub(crate) fn overdue_after(config: &SweepConfig) -> Duration {
    config.every * 5 + SESSION_TIMEOUT
}

/// Runs until shutdown.
pub(crate) async fn run(
    database: Database,
    store: Store,
    config: SweepConfig,
    sessions: SessionConfig,
    health: TaskHealth,
    shutdown: CancellationToken,
) {
    let options = LeaderOptions {
        // the session is idle during deletions in the bucket
        session: background_session(&database, "aprendiz-sweeper", Some(config.every + SESSION_TIMEOUT)),
        lock: LeaderLock::Sweeper,
        interval: config.every,
        max_backoff: config.every,
        round_timeout: None,
    };
    let mut sweeper = Sweeper { store, config, sessions, scanner: OrphanScanner::default(), health };
    run_as_leader(&options, &mut sweeper, &shutdown).await;
}

struct Sweeper {
    store: Store,
    config: SweepConfig,
    sessions: SessionConfig,
    scanner: OrphanScanner,
    health: TaskHealth,
}

impl LeaderTask for Sweeper {
    type Error = SweepError;

    async fn round(&mut self, conn: &mut PgConnection) -> Result<(), SweepError> {
        // first, because it needs no bucket
        let sessions = prune_web_sessions(conn, self.sessions.idle).await?;
        if sessions > 0 {
            info!(sessions, "deleted sessions of the web interface that have ended");
        }
        prune_used_sign_ins(conn).await?;
        sweep(conn, &self.store, &self.config).await?;
        self.scanner.advance(conn, &self.store, self.config.after).await?;
        self.health.succeeded();
        Ok(())
    }

    fn on_failure(&mut self, error: &LeaderError<SweepError>) {
        self.health.failed(error);
        warn!(%error, "sweeper failed; unreferenced objects stay in the bucket, and ended sessions in their table, until it recovers");
    }

    fn on_recovery(&mut self) {
        self.health.recovered();
        info!("sweeper has recovered");
    }
}

/// Marks and deletes one round of objects.
async fn sweep(conn: &mut PgConnection, store: &Store, config: &SweepConfig) -> Result<(), SweepError> {
    let checkpoints = discard_ended_checkpoints(conn, config.keep_checkpoints, ROUND_SIZE).await?;
    let pending = mark_abandoned_objects(conn, config.after, ROUND_SIZE).await?;
    if checkpoints + pending > 0 {
        info!(objects.pending = pending, checkpoints, "marked unneeded objects for deletion");
    }
    let comparisons = prune_shadow(conn, SHADOW_RETENTION_DAYS, MAX_SHADOW_DISAGREEMENTS).await?;
    if comparisons > 0 {
        info!(rows = comparisons, "deleted old comparisons of challengers");
    }
    let deleted = delete_marked(conn, store).await?;
    if deleted > 0 {
        info!(objects = deleted, "deleted unreferenced objects");
    }
    Ok(())
}

/// Deletes the bytes, then the rows, of objects in state `deleting`. A failed deletion is logged and retried in the next round, so that it
/// does not block the others.
async fn delete_marked(conn: &mut PgConnection, store: &Store) -> Result<u64, SweepError> {
    let mut after = String::new();
    let (mut deleted, mut failed) = (0, 0_u64);
    for _ in 0..ROUND_SIZE / PAGE_SIZE {
        let page = list_pending_deletions(conn, &after, PAGE_SIZE).await?;
        let Some(last) = page.last() else {
            break;
        };
        after.clone_from(&last.key);
        for object in page {
            if let Err(error) = delete_bytes(store, &object).await {
                // distinguishes a failure of this object from an unavailable store
                store.check().await?;
                // one warning per round: a missing permission fails every object
                if failed == 0 {
                    warn!(object.key, %error, "cannot delete object; retrying in the next round");
                }
                failed += 1;
                continue;
            }
            if delete_object_row(conn, &object.key).await? {
                metrics::counter!(SWEPT_OBJECTS).increment(1);
                deleted += 1;
            }
        }
    }
    if failed > 1 {
        warn!(objects = failed, "cannot delete objects; retrying in the next round");
    }
    Ok(deleted)
}

async fn delete_bytes(store: &Store, object: &PendingDeletion) -> Result<(), StoreError> {
    if let Some(upload_id) = &object.upload_id
        && !store.abort_upload(&object.key, upload_id).await?
    {
        debug!(object.key, "multipart upload has already ended");
    }
    store.delete(&object.key).await?;
    if !object.is_written {
        // a process that dies between the start of an upload and its record leaves one that no row names
        store.abort_uploads_of(&object.key).await?;
    }
    Ok(())
}
