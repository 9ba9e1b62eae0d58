//! Recovery of runs from dead workers, by the database clock. One producer at a time executes it, as the leader of an advisory lock.

use std::time::Duration;

use aprendiz_db::ensure_one_row;
use serde_json::json;
use sqlx::{Acquire as _, PgConnection};

use crate::error::RunsError;
use crate::ids::RunId;
use crate::run::attempt::AttemptId;
use crate::run::attempt_end::end_attempt;
use crate::run::cancel::end_cancelled_run;
use crate::run::event::append;
use crate::run::fail::fail_run;
use crate::run::outbox::enqueue_outbox;
use crate::run::status::{AttemptStatus, EventKind, RunStatus};

/// Result of [`reap_expired_leases`].
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Reaped {
    /// Number of runs that wait for another attempt.
    pub requeued: u32,
    /// Number of runs that failed because their attempts are used up.
    pub failed: u32,
    /// Number of runs that were being cancelled.
    pub cancelled: u32,
}

/// Ends attempts with an expired lease as `lost`. The run is queued again, cancelled if that was requested, or failed when its attempts
/// are used up.
///
/// # Errors
/// When Postgres does not answer.
pub async fn reap_expired_leases(conn: &mut PgConnection, limit: i64) -> Result<Reaped, RunsError> {
    let mut tx = conn.begin().await?;
    let expired = sqlx::query!(
        r#"
        SELECT r.id AS "id: RunId", r.attempt_number, r.status AS "status: RunStatus", r.attempts_used, r.max_attempts
        FROM attempts a
        JOIN training_runs r ON r.id = a.run_id AND r.attempt_number = a.number
        WHERE a.status = 'running' AND a.lease_expires_at < clock_timestamp()
        ORDER BY a.lease_expires_at
        LIMIT $1
        FOR UPDATE OF r, a SKIP LOCKED
        "#,
        limit
    )
    .fetch_all(&mut *tx)
    .await?;
    let mut reaped = Reaped::default();
    for row in expired {
        let attempt = AttemptId { run_id: row.id, number: row.attempt_number };
        end_attempt(&mut tx, attempt, AttemptStatus::Lost, None).await?;
        if row.status == RunStatus::Cancelling {
            end_cancelled_run(&mut tx, attempt).await?;
            reaped.cancelled += 1;
        } else if row.attempts_used < row.max_attempts {
            requeue(&mut tx, attempt).await?;
            reaped.requeued += 1;
        } else {
            let text = format!(
                "the worker stopped renewing its lease in the last of {} attempts: check the hosts of the attempts",
                row.max_attempts
            );
            fail_run(&mut tx, attempt, "worker_lost", &text).await?;
            reaped.failed += 1;
        }
    }
    tx.commit().await?;
    Ok(reaped)
}

async fn requeue(conn: &mut PgConnection, attempt: AttemptId) -> Result<(), RunsError> {
    let queued = sqlx::query!(
        r#"
        UPDATE training_runs
        SET status = 'queued', phase = NULL, progress = NULL, run_after = clock_timestamp()
        WHERE id = $1 AND attempt_number = $2 AND status = 'running'
        "#,
        attempt.run_id as RunId,
        attempt.number
    )
    .execute(&mut *conn)
    .await?;
    ensure_one_row(&queued, || attempt.lease_lost())?;
    append(conn, attempt.run_id, Some(attempt.number), EventKind::State, &json!({ "status": "queued", "attempt": "lost" })).await?;
    enqueue_outbox(conn, attempt.run_id).await
}

/// Publishes runs again that have been claimable but unclaimed for `longer_than` since their latest wake-up and have no outbox entry:
/// Redis may have lost the message. Returns how many.
///
/// Adds nothing while an outbox entry is due: every wake-up wakes every worker, so all waiting runs are found without another.
///
/// # Errors
/// When Postgres does not answer.
pub async fn republish_unclaimed(conn: &mut PgConnection, longer_than: Duration, limit: i64) -> Result<u64, RunsError> {
    let republished = sqlx::query!(
        r#"
        INSERT INTO outbox (run_id, due_at)
        SELECT r.id, r.run_after
        FROM training_runs r
        WHERE r.status IN ('queued', 'retrying')
            -- the expression of the index training_runs_unclaimed
            AND greatest(r.wakeup_published_at, r.created_at, r.run_after) < statement_timestamp() - make_interval(secs => $1)
            AND NOT EXISTS (SELECT FROM outbox o WHERE o.run_id = r.id)
            -- min() instead of EXISTS, which may be planned as a scan of all entries for a later time
            AND coalesce((SELECT min(o.due_at) FROM outbox o) > statement_timestamp(), true)
        ORDER BY greatest(r.wakeup_published_at, r.created_at, r.run_after)
        LIMIT $2
        "#,
        longer_than.as_secs_f64(),
        limit
    )
    .execute(conn)
    .await?
    .rows_affected();
    Ok(republished)
}
