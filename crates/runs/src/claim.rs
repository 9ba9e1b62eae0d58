//! Claims the best runnable run for a worker. A message from Redis only wakes; this statement decides.

use std::time::Duration;

use serde_json::json;
use sqlx::{Acquire as _, PgConnection};

use crate::attempt::AttemptKey;
use crate::error::RunsError;
use crate::event::append;
use crate::ids::{RunId, WorkerId};
use crate::run::{TrainingRun, get_run};
use crate::status::{EventKind, RunKind};

/// A claimed run: the worker owns it until its lease expires.
#[derive(Debug)]
pub struct Claim {
    /// The attempt that every later write names.
    pub attempt: AttemptKey,
    /// The run.
    pub run: TrainingRun,
}

/// Claims the runnable run with the greatest priority, then the oldest; `None` when there is nothing to do
/// or the worker was told to drain.
///
/// The attempt number is raised here, before any work, so that a run which kills its worker uses up its attempts.
///
/// # Errors
/// When Postgres does not answer.
pub async fn claim_next(conn: &mut PgConnection, worker: WorkerId, kinds: &[RunKind], lease: Duration) -> Result<Option<Claim>, RunsError> {
    let mut tx = conn.begin().await?;
    let claimed = sqlx::query!(
        r#"
        WITH next AS (
            SELECT id
            FROM training_runs
            WHERE status IN ('queued', 'retrying')
                -- the start of the statement, not clock_timestamp(): an index can be searched for it
                AND run_after <= statement_timestamp()
                AND kind = ANY($1)
                -- a worker that was told to drain may not have heard of it yet
                AND NOT EXISTS (SELECT FROM workers WHERE workers.id = $2 AND workers.drain_requested_at IS NOT NULL)
            ORDER BY priority DESC, created_at, id
            LIMIT 1
            FOR UPDATE SKIP LOCKED
        )
        UPDATE training_runs r
        SET status = 'running',
            phase = 'dataset',
            progress = NULL,
            error_code = NULL,
            error_text = NULL,
            awaited_dataset_key = NULL,
            attempt_number = r.attempt_number + 1,
            attempts_used = r.attempts_used + 1,
            started_at = coalesce(r.started_at, clock_timestamp())
        FROM next
        WHERE r.id = next.id
        RETURNING r.id AS "id: RunId", r.attempt_number
        "#,
        kinds as &[RunKind],
        worker as WorkerId
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(claimed) = claimed else {
        return Ok(None);
    };
    let attempt = AttemptKey { run_id: claimed.id, number: claimed.attempt_number };
    sqlx::query!(
        r#"
        INSERT INTO attempts (run_id, number, worker_id, lease_expires_at)
        VALUES ($1, $2, $3, clock_timestamp() + make_interval(secs => $4))
        "#,
        attempt.run_id as RunId,
        attempt.number,
        worker as WorkerId,
        lease.as_secs_f64()
    )
    .execute(&mut *tx)
    .await?;
    append(&mut tx, attempt.run_id, Some(attempt.number), EventKind::State, &json!({ "status": "running", "worker": worker })).await?;
    let run = get_run(&mut tx, attempt.run_id).await?;
    tx.commit().await?;
    Ok(Some(Claim { attempt, run }))
}
