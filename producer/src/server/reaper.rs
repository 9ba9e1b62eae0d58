//! Reaper: requeues runs of lost workers, and republishes wake-ups that Redis lost. One producer at a time is active; it holds an advisory
//! lock on its connection. When its process or connection ends, another producer takes over.

use std::time::Duration;

use aprendiz_db::{Database, LeaderError, LeaderLock, LeaderOptions, LeaderTask, run_as_leader};
use aprendiz_runs::{RunsError, cancel_orphaned_trials, reap_expired_leases, republish_unclaimed};
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::database::background_session;
use crate::server::metrics::REAPED_ATTEMPTS;
use crate::server::task_health::TaskHealth;

const REAP_INTERVAL: Duration = Duration::from_secs(2);
/// Maximum silence of a session. A reaper that hangs longer loses its session, and another one takes over.
const SESSION_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_BACKOFF: Duration = Duration::from_secs(30);
/// Maximum number of runs per transaction.
const BATCH_SIZE: i64 = 100;
/// A run that is still unclaimed after this time is published again.
const REPUBLISH_DELAY: Duration = Duration::from_secs(60);

/// Runs until shutdown.
pub(crate) async fn run(database: Database, health: TaskHealth, shutdown: CancellationToken) {
    let options = LeaderOptions {
        session: background_session(&database, "aprendiz-reaper", Some(SESSION_TIMEOUT)),
        lock: LeaderLock::Reaper,
        interval: REAP_INTERVAL,
        max_backoff: MAX_BACKOFF,
        // a statement without a response must not keep the lock
        round_timeout: Some(SESSION_TIMEOUT),
    };
    run_as_leader(&options, &mut Reaper { health }, &shutdown).await;
}

struct Reaper {
    health: TaskHealth,
}

impl LeaderTask for Reaper {
    type Error = RunsError;

    async fn round(&mut self, conn: &mut PgConnection) -> Result<(), RunsError> {
        reap(conn).await?;
        self.health.succeeded();
        Ok(())
    }

    fn on_failure(&mut self, error: &LeaderError<RunsError>) {
        self.health.failed(error);
        warn!(%error, "reaper failed; expired leases are not reclaimed until it recovers");
    }

    fn on_recovery(&mut self) {
        self.health.recovered();
        info!("reaper has recovered");
    }
}

async fn reap(conn: &mut PgConnection) -> Result<(), RunsError> {
    let reaped = reap_expired_leases(conn, BATCH_SIZE).await?;
    for (outcome, runs) in [("requeued", reaped.requeued), ("failed", reaped.failed), ("cancelled", reaped.cancelled)] {
        metrics::counter!(REAPED_ATTEMPTS, "outcome" => outcome).increment(u64::from(runs));
    }
    if reaped != aprendiz_runs::Reaped::default() {
        warn!(requeued = reaped.requeued, failed = reaped.failed, cancelled = reaped.cancelled, "reclaimed runs of lost workers");
    }
    let cancelled = cancel_orphaned_trials(conn, BATCH_SIZE).await?;
    if cancelled > 0 {
        info!(runs = cancelled, "cancelled trials of sweeps that have ended");
    }
    let republished = republish_unclaimed(conn, REPUBLISH_DELAY, BATCH_SIZE).await?;
    if republished > 0 {
        info!(runs = republished, "republished unclaimed runs");
    }
    Ok(())
}
