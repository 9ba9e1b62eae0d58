//! Numbers about the whole installation, for dashboards and alarms.

use sqlx::PgConnection;

use crate::error::RunsError;
use crate::status::{AttemptStatus, RunStatus};

/// What [`read_figures`] found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    /// Runs by status; a status that no run has is missing.
    pub runs: Vec<(RunStatus, i64)>,
    /// Seconds that the run waits that could have been claimed for the longest; `None` when none waits.
    pub oldest_runnable_seconds: Option<f64>,
    /// Announcements in the outbox, due or not.
    pub outbox_waiting: i64,
    /// Workers that claim runs.
    pub workers_alive: i64,
    /// Workers that were asked to drain and have not stopped.
    pub workers_draining: i64,
    /// Workers that neither stopped nor showed themselves for a minute, but did within the last day.
    pub workers_silent: i64,
    /// Runs that workers train.
    pub slots_busy: i64,
    /// Runs that workers which claim could train beside.
    pub slots_free: i64,
    /// Ended attempts by outcome.
    pub attempts: Vec<(AttemptStatus, i64)>,
    /// Seconds since the last sign of life of the running attempt that was silent for the longest; `None` when none runs.
    pub heartbeat_seconds: Option<f64>,
}

/// Reads the numbers. Counts whole tables: ask at intervals.
///
/// # Errors
/// When Postgres does not answer.
pub async fn read_figures(conn: &mut PgConnection) -> Result<Figures, RunsError> {
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
            SELECT w.slots, w.drain_requested_at IS NOT NULL AS drains,
                w.heartbeat_at > statement_timestamp() - interval '30 seconds' AS lives,
                (SELECT count(*) FROM attempts a WHERE a.worker_id = w.id AND a.status = 'running') AS busy
            FROM workers w
            WHERE w.stopped_at IS NULL AND w.heartbeat_at > statement_timestamp() - interval '1 day'
        )
        SELECT (SELECT count(*) FROM outbox) AS "outbox!",
            count(*) FILTER (WHERE lives AND NOT drains) AS "alive!",
            count(*) FILTER (WHERE lives AND drains) AS "draining!",
            count(*) FILTER (WHERE NOT lives) AS "silent!",
            coalesce(sum(busy) FILTER (WHERE lives), 0)::bigint AS "busy!",
            coalesce(sum(greatest(slots - busy, 0)) FILTER (WHERE lives AND NOT drains), 0)::bigint AS "free!"
        FROM present
        "#
    )
    .fetch_one(conn)
    .await?;
    Ok(Figures {
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
