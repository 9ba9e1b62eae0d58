//! Statistics of the whole installation, for dashboards and alerts.

use sqlx::PgConnection;

use crate::background_tasks::{TaskStatus, list_background_tasks};
use crate::error::RunsError;
use crate::run::status::{AttemptStatus, RunStatus};

/// Statistics of the installation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct InstallationStats {
    /// Number of runs by status; a status without runs is absent.
    pub runs: Vec<(RunStatus, i64)>,
    /// Age in seconds of the oldest claimable run; `None` if there is none.
    pub oldest_runnable_seconds: Option<f64>,
    /// Wake-ups in the outbox, due or not.
    pub outbox_waiting: i64,
    /// Workers that claim runs.
    pub workers_alive: i64,
    /// Workers that are draining.
    pub workers_draining: i64,
    /// Workers that did not stop but sent no heartbeat for 30 s, within the last day.
    pub workers_silent: i64,
    /// Slots with a run.
    pub slots_busy: i64,
    /// Free slots of workers that claim runs.
    pub slots_free: i64,
    /// Number of ended attempts by outcome.
    pub attempts: Vec<(AttemptStatus, i64)>,
    /// Age in seconds of the oldest heartbeat of a running attempt; `None` if none is running.
    pub heartbeat_seconds: Option<f64>,
    /// The background tasks of the servers.
    pub background_tasks: Vec<TaskStatus>,
}

/// Reads the statistics. Scans whole tables: call it at intervals.
///
/// # Errors
/// When Postgres does not answer.
pub async fn read_installation_stats(conn: &mut PgConnection) -> Result<InstallationStats, RunsError> {
    let runs = sqlx::query!(
        r#"
        SELECT status AS "status: RunStatus", count(*) AS "runs!",
            extract(epoch FROM statement_timestamp() - min(greatest(created_at, run_after)) FILTER (
                WHERE status IN ('queued', 'retrying') AND run_after <= statement_timestamp()
            ))::float8 AS oldest
        FROM training_runs
        GROUP BY status
        "#
    )
    .fetch_all(&mut *conn)
    .await?;
    let attempts = sqlx::query!(
        r#"
        SELECT status AS "status: AttemptStatus", count(*) AS "attempts!",
            extract(epoch FROM statement_timestamp() - min(heartbeat_at) FILTER (WHERE status = 'running'))::float8 AS silent
        FROM attempts
        GROUP BY status
        "#
    )
    .fetch_all(&mut *conn)
    .await?;
    let others = sqlx::query!(
        r#"
        WITH present AS (
            SELECT w.slots, w.drain_requested_at IS NOT NULL AS draining,
                w.heartbeat_at > statement_timestamp() - interval '30 seconds' AS alive,
                (SELECT count(*) FROM attempts a WHERE a.worker_id = w.id AND a.status = 'running') AS busy
            FROM workers w
            WHERE w.stopped_at IS NULL AND w.heartbeat_at > statement_timestamp() - interval '1 day'
        )
        SELECT (SELECT count(*) FROM outbox) AS "outbox!",
            count(*) FILTER (WHERE alive AND NOT draining) AS "alive!",
            count(*) FILTER (WHERE alive AND draining) AS "draining!",
            count(*) FILTER (WHERE NOT alive) AS "silent!",
            coalesce(sum(busy) FILTER (WHERE alive), 0)::bigint AS "busy!",
            coalesce(sum(greatest(slots - busy, 0)) FILTER (WHERE alive AND NOT draining), 0)::bigint AS "free!"
        FROM present
        "#
    )
    .fetch_one(&mut *conn)
    .await?;
    Ok(InstallationStats {
        background_tasks: list_background_tasks(conn).await?,
        oldest_runnable_seconds: runs.iter().filter_map(|row| row.oldest).reduce(f64::max),
        runs: runs.iter().map(|row| (row.status, row.runs)).collect(),
        outbox_waiting: others.outbox,
        workers_alive: others.alive,
        workers_draining: others.draining,
        workers_silent: others.silent,
        slots_busy: others.busy,
        slots_free: others.free,
        heartbeat_seconds: attempts.iter().find_map(|row| row.silent),
        attempts: attempts.iter().filter(|row| row.status != AttemptStatus::Running).map(|row| (row.status, row.attempts)).collect(),
    })
}
