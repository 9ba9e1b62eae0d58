//! Checkpoints: saved training state from which another worker can resume.

use std::time::Duration;

use serde_json::json;
use sqlx::{Acquire as _, PgConnection};

use crate::error::RunsError;
use crate::ids::RunId;
use crate::objects::confirm::publish_objects;
use crate::objects::declare::ObjectOwner;
use crate::run::attempt::AttemptId;
use crate::run::event::append;
use crate::run::lease::lock_attempt;
use crate::run::status::EventKind;

/// A checkpoint whose object is confirmed but not yet recorded.
#[derive(Debug)]
pub struct NewCheckpoint<'a> {
    /// Number of completed steps.
    pub step: i64,
    /// Key of its object.
    pub object_key: &'a str,
    /// SHA-256, hex, of everything the training depends on.
    pub fingerprint: &'a str,
    /// CPU kernel (vector instructions) that computed it.
    pub cpu_kernel: &'a str,
}

/// A recorded checkpoint.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// Number of the attempt that wrote it.
    pub attempt_number: i32,
    /// Number of completed steps.
    pub step: i64,
    /// Key of its object.
    pub object_key: String,
    /// SHA-256 of the object, hex.
    pub sha256: String,
    /// CPU kernel (vector instructions) that computed it.
    pub cpu_kernel: String,
}

/// Records a checkpoint, makes its object live, and discards all but the newest `keep` checkpoints of the run.
///
/// # Errors
/// [`RunsError::LeaseLost`].
pub async fn record_checkpoint(
    conn: &mut PgConnection,
    attempt: AttemptId,
    checkpoint: &NewCheckpoint<'_>,
    keep: i64,
) -> Result<(), RunsError> {
    let mut tx = conn.begin().await?;
    lock_attempt(&mut tx, attempt).await?;
    sqlx::query!(
        r#"
        INSERT INTO checkpoints (run_id, attempt_number, step, object_key, fingerprint, cpu_kernel)
        VALUES ($1, $2, $3, $4, $5, $6)
        -- a retry after the answer to the commit was lost
        ON CONFLICT (run_id, attempt_number, step) DO NOTHING
        "#,
        attempt.run_id as RunId,
        attempt.number,
        checkpoint.step,
        checkpoint.object_key,
        checkpoint.fingerprint,
        checkpoint.cpu_kernel
    )
    .execute(&mut *tx)
    .await?;
    publish_objects(&mut tx, attempt, &[checkpoint.object_key.to_owned()], ObjectOwner::Checkpoint).await?;
    append(&mut tx, attempt.run_id, Some(attempt.number), EventKind::Checkpoint, &json!({ "step": checkpoint.step })).await?;
    discard_checkpoints(&mut tx, attempt.run_id, keep).await?;
    tx.commit().await?;
    Ok(())
}

/// Lists the compatible checkpoints of a run, newest attempt first: a resumed attempt is always ahead of the one it resumed from, and
/// an attempt that started from scratch had a reason to.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list_checkpoints(conn: &mut PgConnection, run_id: RunId, fingerprint: &str) -> Result<Vec<Checkpoint>, RunsError> {
    let checkpoints = sqlx::query_as!(
        Checkpoint,
        r#"
        SELECT c.attempt_number, c.step, c.object_key, o.sha256 AS "sha256!", c.cpu_kernel
        FROM checkpoints c
        JOIN objects o ON o.key = c.object_key AND o.state = 'live'
        WHERE c.run_id = $1 AND c.fingerprint = $2
        ORDER BY c.attempt_number DESC, c.step DESC
        "#,
        run_id as RunId,
        fingerprint
    )
    .fetch_all(conn)
    .await?;
    Ok(checkpoints)
}

/// Records that the attempt resumes from a step of an earlier one. Repeating the call changes nothing.
///
/// # Errors
/// [`RunsError::LeaseLost`].
pub async fn record_resume(conn: &mut PgConnection, attempt: AttemptId, step: i64, note: &str) -> Result<(), RunsError> {
    let mut tx = conn.begin().await?;
    lock_attempt(&mut tx, attempt).await?;
    let recorded = sqlx::query!(
        "UPDATE attempts SET resumed_from_step = $3 WHERE run_id = $1 AND number = $2 AND resumed_from_step IS DISTINCT FROM $3",
        attempt.run_id as RunId,
        attempt.number,
        step
    )
    .execute(&mut *tx)
    .await?;
    if recorded.rows_affected() == 0 {
        return Ok(());
    }
    append(&mut tx, attempt.run_id, Some(attempt.number), EventKind::Log, &json!({ "text": note, "resumed_from_step": step })).await?;
    tx.commit().await?;
    Ok(())
}

/// Discards all but the newest `keep` checkpoints of a run and marks their objects for deletion. Returns how many.
///
/// Checkpoints are ordered by attempt, then by step.
///
/// # Errors
/// When Postgres does not answer.
pub async fn discard_checkpoints(conn: &mut PgConnection, run_id: RunId, keep: i64) -> Result<u64, RunsError> {
    let discarded = sqlx::query!(
        r#"
        WITH old AS (
            SELECT object_key
            FROM checkpoints
            WHERE run_id = $1
            ORDER BY attempt_number DESC, step DESC
            OFFSET $2
        ),
        discarded AS (
            DELETE FROM checkpoints c
            USING old
            WHERE c.object_key = old.object_key
            RETURNING c.object_key
        )
        UPDATE objects o
        SET state = 'deleting'
        FROM discarded
        WHERE o.key = discarded.object_key AND o.state = 'live'
        "#,
        run_id as RunId,
        keep
    )
    .execute(conn)
    .await?
    .rows_affected();
    Ok(discarded)
}

/// Discards the checkpoints of succeeded runs, and of runs that failed or were cancelled more than `keep_for` ago: until then they can
/// be retried from the checkpoint. Returns how many.
///
/// # Errors
/// When Postgres does not answer.
pub async fn discard_ended_checkpoints(conn: &mut PgConnection, keep_for: Duration, limit: i64) -> Result<u64, RunsError> {
    let discarded = sqlx::query!(
        r#"
        WITH old AS (
            SELECT c.object_key
            FROM checkpoints c
            JOIN training_runs r ON r.id = c.run_id
            WHERE r.status = 'succeeded'
                OR (r.status IN ('failed', 'cancelled') AND r.finished_at <= statement_timestamp() - make_interval(secs => $1))
            LIMIT $2
            -- locks the run too: a run that is being retried keeps its checkpoints
            FOR UPDATE OF c, r SKIP LOCKED
        ),
        discarded AS (
            DELETE FROM checkpoints c
            USING old
            WHERE c.object_key = old.object_key
            RETURNING c.object_key
        )
        UPDATE objects o
        SET state = 'deleting'
        FROM discarded
        WHERE o.key = discarded.object_key AND o.state = 'live'
        "#,
        keep_for.as_secs_f64(),
        limit
    )
    .execute(conn)
    .await?
    .rows_affected();
    Ok(discarded)
}
