//! Claim of the next run by a worker. A message from Redis only wakes the worker; this statement decides which run it gets.

use std::time::Duration;

use aprendiz_run_spec::RunKind;
use serde_json::json;
use sqlx::{Acquire as _, PgConnection};

use crate::error::RunsError;
use crate::ids::{RunId, WorkerId};
use crate::run::attempt::AttemptId;
use crate::run::event::append;
use crate::run::status::EventKind;
use crate::run::training_run::{TrainingRun, get_run};

/// A claimed run: the worker owns it until its lease expires.
#[derive(Debug)]
pub struct Claim {
    /// The attempt; every later write carries it.
    pub attempt: AttemptId,
    /// The run.
    pub run: TrainingRun,
}

/// Claims the claimable run with the greatest priority, then the oldest one. `None` when there is none or the worker is draining.
///
/// The attempt is counted here, before any work, so that a run that kills its worker uses up its attempts.
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
                -- not clock_timestamp(), for which no index can be used
                AND run_after <= statement_timestamp()
                AND kind = ANY($1)
                -- a worker may not have read its drain request yet
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
    let attempt = AttemptId { run_id: claimed.id, number: claimed.attempt_number };
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
