//! Claim of the next run by a worker. A message from Redis only wakes the worker; these statements decide which run it gets.

use std::time::Duration;

use aprendiz_run_spec::RunKind;
use serde_json::json;
use sqlx::{Acquire as _, PgConnection};

use crate::error::RunsError;
use crate::ids::{RunId, WorkerId};
use crate::queues::capacity::lock_capacity;
use crate::run::attempt::AttemptId;
use crate::run::event::append;
use crate::run::lane::{Lane, list_lanes};
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

/// Claims the best run that the worker may execute: of the queue with the fewest running runs per weight, that with the greatest priority,
/// then the oldest one. The worker has what the run requires, and its queue and model are below their limits. `None` when there is none or
/// the worker is draining.
///
/// The attempt is counted here, before any work, so that a run that kills its worker uses up its attempts.
///
/// # Errors
/// When Postgres does not answer.
pub async fn claim_next(conn: &mut PgConnection, worker: WorkerId, kinds: &[RunKind], lease: Duration) -> Result<Option<Claim>, RunsError> {
    let mut tx = conn.begin().await?;
    for lane in list_lanes(&mut tx, worker, kinds).await? {
        // a savepoint: if nothing is claimed, its end unlocks the queue, so that no claim waits for two queues
        let mut attempt = tx.begin().await?;
        let full_models = if lane.is_limited { lock_capacity(&mut attempt, &lane.queue).await? } else { Some(Vec::new()) };
        let Some(full_models) = full_models else { continue };
        if let Some(claimed) = claim_from(&mut attempt, worker, kinds, &lane, &full_models).await? {
            let claim = start_attempt(&mut attempt, worker, claimed, lease).await?;
            attempt.commit().await?;
            tx.commit().await?;
            return Ok(Some(claim));
        }
    }
    Ok(None)
}

/// Takes the best run of a lane, with the number of its new attempt.
async fn claim_from(
    conn: &mut PgConnection,
    worker: WorkerId,
    kinds: &[RunKind],
    lane: &Lane,
    full_models: &[String],
) -> Result<Option<AttemptId>, RunsError> {
    let claimed = sqlx::query!(
        r#"
        WITH next AS (
            SELECT id
            FROM training_runs
            WHERE queue = $3 AND requires = $4
                AND status IN ('queued', 'retrying')
                -- not clock_timestamp(), for which no index can be used
                AND run_after <= statement_timestamp()
                AND kind = ANY($1)
                AND model <> ALL($5)
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
        worker as WorkerId,
        lane.queue,
        &lane.requires,
        full_models
    )
    .fetch_optional(conn)
    .await?;
    Ok(claimed.map(|claimed| AttemptId { run_id: claimed.id, number: claimed.attempt_number }))
}

/// Records the attempt with its lease.
async fn start_attempt(conn: &mut PgConnection, worker: WorkerId, attempt: AttemptId, lease: Duration) -> Result<Claim, RunsError> {
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
    .execute(&mut *conn)
    .await?;
    append(&mut *conn, attempt.run_id, Some(attempt.number), EventKind::State, &json!({ "status": "running", "worker": worker })).await?;
    let run = get_run(conn, attempt.run_id).await?;
    Ok(Claim { attempt, run })
}
