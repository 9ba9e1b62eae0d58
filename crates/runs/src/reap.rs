//! Takes back what dead workers held. One producer at a time (advisory lock), by the database clock.

use std::time::Duration;

use sqlx::{Acquire as _, PgConnection};

use crate::attempt::AttemptKey;
use crate::ending::{end_attempt, end_cancelled_run};
use crate::error::RunsError;
use crate::event::append;
use crate::failure::fail_run;
use crate::ids::RunId;
use crate::outbox::ask_for_announcement;
use crate::status::{AttemptStatus, EventKind, RunStatus};

/// What [`reap_expired_leases`] did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Reaped {
    /// Runs that wait for another attempt.
    pub requeued: u32,
    /// Runs whose attempts are used up.
    pub failed: u32,
    /// Runs that were being cancelled.
    pub cancelled: u32,
}

/// Ends attempts whose lease has expired as `lost`: the run is announced again, cancelled if that was asked, or failed when its
/// attempts are used up.
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
        let key = AttemptKey { run_id: row.id, number: row.attempt_number };
        end_attempt(&mut tx, key, AttemptStatus::Lost, None).await?;
        if row.status == RunStatus::Cancelling {
            end_cancelled_run(&mut tx, key).await?;
            reaped.cancelled += 1;
        } else if row.attempts_used < row.max_attempts {
            requeue(&mut tx, key).await?;
            reaped.requeued += 1;
        } else {
            let text = format!(
                "the worker stopped renewing its lease in the last of {} attempts: see the attempts for the hosts",
                row.max_attempts
            );
            fail_run(&mut tx, key, "worker_lost", &text).await?;
            reaped.failed += 1;
        }
    }
    tx.commit().await?;
    Ok(reaped)
}

async fn requeue(conn: &mut PgConnection, key: AttemptKey) -> Result<(), RunsError> {
    sqlx::query!(
        "UPDATE training_runs SET status = 'queued', phase = NULL, progress = NULL, run_after = clock_timestamp() WHERE id = $1",
        key.run_id as RunId
    )
    .execute(&mut *conn)
    .await?;
    append(conn, key.run_id, Some(key.number), EventKind::State, &serde_json::json!({ "status": "queued", "attempt": "lost" })).await?;
    ask_for_announcement(conn, key.run_id).await
}

/// Announces runs again that are runnable but unclaimed for `longer_than` since their last announcement, and wait in no outbox row:
/// Redis may have lost them. Returns how many.
///
/// While an announcement is due, none is added: each one wakes every worker, so whatever waits is found without another.
///
/// # Errors
/// When Postgres does not answer.
pub async fn reannounce_unclaimed(conn: &mut PgConnection, longer_than: Duration, limit: i64) -> Result<u64, RunsError> {
    let announced = sqlx::query!(
        r#"
        INSERT INTO outbox (run_id, due_at)
        SELECT r.id, r.run_after
        FROM training_runs r
        WHERE r.status IN ('queued', 'retrying')
            -- the expression of the index training_runs_unclaimed
            AND greatest(r.announced_at, r.created_at, r.run_after) < statement_timestamp() - make_interval(secs => $1)
            AND NOT EXISTS (SELECT FROM outbox o WHERE o.run_id = r.id)
            -- the least one, not EXISTS: that may be planned as a scan of all that wait for a later time
            AND coalesce((SELECT min(o.due_at) FROM outbox o) > statement_timestamp(), true)
        ORDER BY greatest(r.announced_at, r.created_at, r.run_after)
        LIMIT $2
        "#,
        longer_than.as_secs_f64(),
        limit
    )
    .execute(conn)
    .await?
    .rows_affected();
    Ok(announced)
}
