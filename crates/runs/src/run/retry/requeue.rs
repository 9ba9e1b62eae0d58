//! Requeueing of failed or cancelled runs.

use sqlx::{Acquire as _, PgConnection};
use uuid::Uuid;

use crate::error::RunsError;
use crate::ids::RunId;
use crate::run::status::RunStatus;
use crate::run::sweep::family::{has_cancelling_child, is_sweep_child, list_retried_children};
use crate::run::training_run::{TrainingRun, get_run, lock_run};

/// Retries a failed or cancelled run: the same run, a new attempt, a full budget of attempts.
///
/// # Errors
/// [`RunsError::WrongState`] when it has not failed or been cancelled, [`RunsError::UnknownRun`].
pub async fn retry_run(conn: &mut PgConnection, id: RunId, actor: &str) -> Result<TrainingRun, RunsError> {
    let mut tx = conn.begin().await?;
    let status = lock_run(&mut tx, id).await?;
    if is_sweep_child(&mut tx, id).await? {
        return Err(RunsError::WrongState { run_id: id, status, why: "a run of a sweep is retried with it: retry its parent run" });
    }
    if has_cancelling_child(&mut tx, id).await? {
        return Err(RunsError::WrongState { run_id: id, status, why: "its trials are still being cancelled: retry it in a few seconds" });
    }
    let is_retryable = matches!(status, RunStatus::Failed | RunStatus::Cancelled);
    if !is_retryable || requeue_manually(&mut tx, &[id], actor).await?.is_empty() {
        return Err(RunsError::WrongState { run_id: id, status, why: "only a failed or cancelled run can be retried" });
    }
    let run = get_run(&mut tx, id).await?;
    tx.commit().await?;
    Ok(run)
}

/// Requeues those of the given runs that are failed or cancelled, and, of sweeps, the children that must run again. Other runs are left
/// unchanged. Returns the requeued runs without the children. The caller has begun a transaction.
pub(super) async fn requeue_manually(conn: &mut PgConnection, ids: &[RunId], actor: &str) -> Result<Vec<RunId>, RunsError> {
    let requeued = requeue(&mut *conn, ids, actor).await?;
    let children = list_retried_children(&mut *conn, &requeued).await?;
    if !children.is_empty() {
        requeue(conn, &children, actor).await?;
    }
    Ok(requeued)
}

/// Requeues runs, appends an event to each, and adds them to the outbox.
async fn requeue(conn: &mut PgConnection, ids: &[RunId], actor: &str) -> Result<Vec<RunId>, RunsError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    // one statement for any number of runs: events, outbox and audit entries are written with the change
    let requeued = sqlx::query!(
        r#"
        WITH requeued AS (
            UPDATE training_runs
            SET status = 'queued',
                phase = NULL,
                progress = NULL,
                attempts_used = 0,
                first_attempt = attempt_number + 1,
                run_after = clock_timestamp(),
                cancel_requested_at = NULL,
                error_code = NULL,
                error_text = NULL,
                finished_at = NULL,
                last_event_sequence = last_event_sequence + 1
            WHERE id = ANY($1) AND status IN ('failed', 'cancelled')
            RETURNING id, last_event_sequence, run_after
        ), events AS (
            INSERT INTO run_events (run_id, sequence, kind, payload)
            SELECT id, last_event_sequence, 'state', jsonb_build_object('status', 'queued', 'by', $2::text) FROM requeued
        ), published AS (
            INSERT INTO outbox (run_id, due_at)
            SELECT id, run_after FROM requeued
        ), audited AS (
            INSERT INTO audit_log (actor, action, subject)
            SELECT $2, 'training_run.retry', id::text FROM requeued
        )
        SELECT id AS "id: RunId", pg_notify('aprendiz_run_events', id::text) FROM requeued
        "#,
        &ids,
        actor
    )
    .fetch_all(conn)
    .await?;
    Ok(requeued.into_iter().map(|row| row.id).collect())
}
