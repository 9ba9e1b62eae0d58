//! The queue in numbers. Every number comes from an index and is bounded: asking costs about the same with ten runs as with a
//! million.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{Connection as _, PgConnection};
use utoipa::ToSchema;

use crate::error::RunsError;
use crate::fleet::SILENT_AFTER_SECONDS;
use crate::status::{AttemptStatus, RunStatus};

/// Runs of one status, and announcements, are counted up to this number.
const COUNTED: i64 = 100_000;
/// Times are taken from so many runs that ended last.
const SAMPLED: i64 = 2_000;

/// Runs by status; each is counted up to 100,000.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct RunCounts {
    /// Wait for a worker.
    pub queued: i64,
    /// Are executed.
    pub running: i64,
    /// Wait for another attempt.
    pub retrying: i64,
    /// Asked to stop while running.
    pub cancelling: i64,
    /// Finished.
    pub succeeded: i64,
    /// Finished without success.
    pub failed: i64,
    /// Stopped on request.
    pub cancelled: i64,
}

/// Workers that are not silent.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct WorkerCounts {
    /// All of them.
    pub alive: i64,
    /// Those that hear announcements; the others find runs by looking.
    pub listening: i64,
    /// Those that claim nothing any more.
    pub draining: i64,
}

/// Slots of the workers that are alive.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct SlotCounts {
    /// All of them, those of draining workers included.
    pub total: i64,
    /// Those with a run.
    pub busy: i64,
}

/// Attempts by how they ended.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct AttemptCounts {
    /// Finished their run.
    pub succeeded: i64,
    /// Ended with an error.
    pub failed: i64,
    /// Stopped on request.
    pub cancelled: i64,
    /// Given back by a worker that shut down.
    pub released: i64,
    /// Their worker stopped renewing the lease.
    pub lost: i64,
}

/// Half, and nine tenths, of the measured times are at most so long.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Times {
    /// Seconds.
    pub median_seconds: f64,
    /// Seconds.
    pub p90_seconds: f64,
    /// Runs that were measured.
    pub runs: i64,
}

/// The queue at one moment.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct QueueStats {
    /// The moment, by the database clock.
    pub at: DateTime<Utc>,
    /// Runs by status.
    pub runs: RunCounts,
    /// Runs that a worker could claim now; counted up to 100,000.
    pub runnable: i64,
    /// Runs that may not start yet; counted up to 100,000.
    pub deferred: i64,
    /// When the first of those may.
    pub next_due_at: Option<DateTime<Utc>>,
    /// How long the oldest runnable run could have been claimed.
    pub oldest_runnable_seconds: Option<f64>,
    /// Runs that are due to be announced in Redis and are not yet; counted up to 100,000.
    pub unannounced: i64,
    /// Workers that are alive.
    pub workers: WorkerCounts,
    /// Their slots.
    pub slots: SlotCounts,
    /// Attempts that ended within the last hour.
    pub attempts_last_hour: AttemptCounts,
    /// From creation, or from `run_after` of the spec, to the first claim; of the newest 2,000 runs
    /// that ended within the last 24 hours.
    pub wait: Option<Times>,
    /// From the first claim to the end, of the same runs.
    pub duration: Option<Times>,
}

/// Counts what there is, in one look at the database.
///
/// # Errors
/// When Postgres does not answer.
pub async fn queue_stats(conn: &mut PgConnection) -> Result<QueueStats, RunsError> {
    // one snapshot: the numbers fit together
    let mut tx = conn.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
    // handed over as a value: a condition with clock_timestamp(), which changes from row to row, would use no index
    let at = sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#).fetch_one(&mut *tx).await?;
    let runs = run_counts(&mut tx).await?;
    let due = sqlx::query!(
        r#"
        SELECT
            (SELECT count(*) FROM (
                SELECT FROM training_runs WHERE status IN ('queued', 'retrying') AND run_after <= $1 LIMIT $2
            ) AS now) AS "runnable!",
            (SELECT count(*) FROM (
                SELECT FROM training_runs WHERE status IN ('queued', 'retrying') AND run_after > $1 LIMIT $2
            ) AS later) AS "deferred!",
            (SELECT min(run_after) FROM training_runs WHERE status IN ('queued', 'retrying') AND run_after > $1) AS next_due_at,
            (SELECT extract(epoch FROM $1 - min(run_after))::float8
             FROM training_runs
             WHERE status IN ('queued', 'retrying') AND run_after <= $1) AS oldest_runnable_seconds,
            (SELECT count(*) FROM (SELECT FROM outbox WHERE due_at <= $1 LIMIT $2) AS due) AS "unannounced!"
        "#,
        at,
        COUNTED
    )
    .fetch_one(&mut *tx)
    .await?;
    let (workers, slots) = fleet_counts(&mut tx, at).await?;
    let attempts_last_hour = attempt_counts(&mut tx, at).await?;
    let (wait, duration) = times(&mut tx, at).await?;
    tx.commit().await?;
    Ok(QueueStats {
        at,
        runs,
        runnable: due.runnable,
        deferred: due.deferred,
        next_due_at: due.next_due_at,
        oldest_runnable_seconds: due.oldest_runnable_seconds,
        unannounced: due.unannounced,
        workers,
        slots,
        attempts_last_hour,
        wait,
        duration,
    })
}

async fn run_counts(conn: &mut PgConnection) -> Result<RunCounts, RunsError> {
    let rows = sqlx::query!(
        r#"
        SELECT s.status AS "status!: RunStatus",
            (SELECT count(*) FROM (SELECT FROM training_runs r WHERE r.status = s.status LIMIT $1) AS found) AS "runs!"
        FROM unnest(enum_range(NULL::run_status)) AS s (status)
        "#,
        COUNTED
    )
    .fetch_all(conn)
    .await?;
    let mut counts = RunCounts::default();
    for row in rows {
        *match row.status {
            RunStatus::Queued => &mut counts.queued,
            RunStatus::Running => &mut counts.running,
            RunStatus::Retrying => &mut counts.retrying,
            RunStatus::Cancelling => &mut counts.cancelling,
            RunStatus::Succeeded => &mut counts.succeeded,
            RunStatus::Failed => &mut counts.failed,
            RunStatus::Cancelled => &mut counts.cancelled,
        } = row.runs;
    }
    Ok(counts)
}

async fn fleet_counts(conn: &mut PgConnection, at: DateTime<Utc>) -> Result<(WorkerCounts, SlotCounts), RunsError> {
    let row = sqlx::query!(
        r#"
        SELECT count(*) AS "alive!", count(*) FILTER (WHERE w.listening) AS "listening!",
            count(*) FILTER (WHERE w.drain_requested_at IS NOT NULL) AS "draining!",
            coalesce(sum(w.slots), 0)::bigint AS "slots!",
            coalesce(sum((SELECT count(*) FROM attempts a WHERE a.worker_id = w.id AND a.status = 'running')), 0)::bigint AS "busy!"
        FROM workers w
        WHERE w.stopped_at IS NULL AND w.heartbeat_at >= $1::timestamptz - make_interval(secs => $2)
        "#,
        at,
        SILENT_AFTER_SECONDS
    )
    .fetch_one(conn)
    .await?;
    let workers = WorkerCounts { alive: row.alive, listening: row.listening, draining: row.draining };
    Ok((workers, SlotCounts { total: row.slots, busy: row.busy }))
}

async fn attempt_counts(conn: &mut PgConnection, at: DateTime<Utc>) -> Result<AttemptCounts, RunsError> {
    let rows = sqlx::query!(
        r#"
        SELECT status AS "status: AttemptStatus", count(*) AS "attempts!"
        FROM attempts
        WHERE finished_at >= $1::timestamptz - interval '1 hour'
        GROUP BY status
        "#,
        at
    )
    .fetch_all(conn)
    .await?;
    let mut counts = AttemptCounts::default();
    for row in rows {
        match row.status {
            AttemptStatus::Succeeded => counts.succeeded = row.attempts,
            AttemptStatus::Failed => counts.failed = row.attempts,
            AttemptStatus::Cancelled => counts.cancelled = row.attempts,
            AttemptStatus::Released => counts.released = row.attempts,
            AttemptStatus::Lost => counts.lost = row.attempts,
            // has no end
            AttemptStatus::Running => {}
        }
    }
    Ok(counts)
}

async fn times(conn: &mut PgConnection, at: DateTime<Utc>) -> Result<(Option<Times>, Option<Times>), RunsError> {
    let row = sqlx::query!(
        r#"
        WITH ended AS (
            SELECT r.created_at, r.started_at, r.finished_at, r.spec
            FROM unnest(ARRAY['succeeded', 'failed', 'cancelled']::run_status[]) AS final (status)
            CROSS JOIN LATERAL (
                SELECT created_at, started_at, finished_at, spec
                FROM training_runs
                WHERE status = final.status AND finished_at >= $1::timestamptz - interval '24 hours' AND started_at IS NOT NULL
                ORDER BY finished_at DESC
                LIMIT $2
            ) AS r
            ORDER BY r.finished_at DESC
            LIMIT $2
        ), measured AS (
            SELECT
                extract(epoch FROM greatest(started_at - greatest(created_at, (spec ->> 'run_after')::timestamptz), interval '0'))::float8
                    AS waited,
                extract(epoch FROM finished_at - started_at)::float8 AS took
            FROM ended
        )
        SELECT count(*) AS "runs!",
            percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY waited) AS wait,
            percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY took) AS duration
        FROM measured
        "#,
        at,
        SAMPLED
    )
    .fetch_one(conn)
    .await?;
    let times = |quantiles: Option<Vec<f64>>| match quantiles.as_deref() {
        Some([median, p90]) => Some(Times { median_seconds: *median, p90_seconds: *p90, runs: row.runs }),
        _ => None,
    };
    Ok((times(row.wait), times(row.duration)))
}
