//! Statistics of the queue. Every number is read from an index and bounded, so the cost does not grow with the number of runs.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::error::RunsError;
use crate::run::status::{AttemptStatus, RunStatus};
use crate::stats::queue_counts::{AttemptCounts, DurationQuantiles, QueueStats, RunCounts, SlotCounts, WorkerCounts};
use crate::workers::list::SILENT_AFTER_SECONDS;

/// Upper limit of each count.
const MAX_COUNT: i64 = 100_000;
/// Number of runs from which durations are measured.
const DURATION_SAMPLE: i64 = 2_000;

/// Reads the statistics. The caller provides a transaction that reads one snapshot, so that the numbers are consistent.
///
/// # Errors
/// When Postgres does not answer.
pub async fn queue_stats(conn: &mut PgConnection) -> Result<QueueStats, RunsError> {
    // passed as a value: a condition with clock_timestamp(), which changes from row to row, cannot use an index
    let at = sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#).fetch_one(&mut *conn).await?;
    let runs = run_counts(&mut *conn).await?;
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
            (SELECT count(*) FROM (SELECT FROM outbox WHERE due_at <= $1 LIMIT $2) AS due) AS "unpublished!"
        "#,
        at,
        MAX_COUNT
    )
    .fetch_one(&mut *conn)
    .await?;
    let (workers, slots) = worker_counts(&mut *conn, at).await?;
    let attempts_last_hour = attempt_counts(&mut *conn, at).await?;
    let (wait, duration) = durations(&mut *conn, at).await?;
    Ok(QueueStats {
        at,
        runs,
        runnable: due.runnable,
        deferred: due.deferred,
        next_due_at: due.next_due_at,
        oldest_runnable_seconds: due.oldest_runnable_seconds,
        unpublished: due.unpublished,
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
        MAX_COUNT
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

async fn worker_counts(conn: &mut PgConnection, at: DateTime<Utc>) -> Result<(WorkerCounts, SlotCounts), RunsError> {
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
            // has not ended
            AttemptStatus::Running => {}
        }
    }
    Ok(counts)
}

async fn durations(
    conn: &mut PgConnection,
    at: DateTime<Utc>,
) -> Result<(Option<DurationQuantiles>, Option<DurationQuantiles>), RunsError> {
    let row = sqlx::query!(
        r#"
        WITH ended AS (
            SELECT r.created_at, r.scheduled_for, r.started_at, r.finished_at
            FROM unnest(ARRAY['succeeded', 'failed', 'cancelled']::run_status[]) AS final (status)
            CROSS JOIN LATERAL (
                SELECT created_at, scheduled_for, started_at, finished_at
                FROM training_runs
                WHERE status = final.status AND finished_at >= $1::timestamptz - interval '24 hours' AND started_at IS NOT NULL
                ORDER BY finished_at DESC
                LIMIT $2
            ) AS r
            ORDER BY r.finished_at DESC
            LIMIT $2
        ), measured AS (
            SELECT
                -- greatest ignores NULL
                extract(epoch FROM greatest(started_at - greatest(created_at, scheduled_for), interval '0'))::float8 AS waited,
                extract(epoch FROM finished_at - started_at)::float8 AS took
            FROM ended
        )
        SELECT count(*) AS "runs!",
            percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY waited) AS wait,
            percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY took) AS duration
        FROM measured
        "#,
        at,
        DURATION_SAMPLE
    )
    .fetch_one(conn)
    .await?;
    let quantiles = |values: Option<Vec<f64>>| match values.as_deref() {
        Some([median, p90]) => Some(DurationQuantiles { median_seconds: *median, p90_seconds: *p90, runs: row.runs }),
        _ => None,
    };
    Ok((quantiles(row.wait), quantiles(row.duration)))
}
