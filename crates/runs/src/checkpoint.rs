//! Checkpoints: what another worker can continue a training from.

use serde_json::json;
use sqlx::{Acquire as _, PgConnection};

use crate::attempt::AttemptKey;
use crate::error::RunsError;
use crate::event::append;
use crate::ids::RunId;
use crate::lease::hold_fence;
use crate::object::{ObjectOwner, publish_objects};
use crate::status::EventKind;
use crate::sweep::discard_checkpoints;

/// A checkpoint that lies in S3, declared and confirmed, but is not known to anyone yet.
#[derive(Debug)]
pub struct NewCheckpoint<'a> {
    /// Steps done.
    pub step: i64,
    /// Its object.
    pub object_key: &'a str,
    /// SHA-256, hex, of what the training depends on.
    pub fingerprint: &'a str,
    /// Vector instructions it was computed with.
    pub cpu_kernel: &'a str,
}

/// A checkpoint that can be fetched.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// The attempt that wrote it.
    pub attempt_number: i32,
    /// Steps done.
    pub step: i64,
    /// Its object.
    pub object_key: String,
    /// SHA-256 of the object, hex.
    pub sha256: String,
    /// Vector instructions it was computed with.
    pub cpu_kernel: String,
}

/// Makes a checkpoint known, and its object live; of the checkpoints of the run, the newest `keep` stay.
///
/// # Errors
/// [`RunsError::LeaseLost`].
pub async fn record_checkpoint(
    conn: &mut PgConnection,
    key: AttemptKey,
    checkpoint: &NewCheckpoint<'_>,
    keep: i64,
) -> Result<(), RunsError> {
    let mut tx = conn.begin().await?;
    hold_fence(&mut tx, key).await?;
    sqlx::query!(
        r#"
        INSERT INTO checkpoints (run_id, attempt_number, step, object_key, fingerprint, cpu_kernel)
        VALUES ($1, $2, $3, $4, $5, $6)
        -- the same one again, when the answer to a commit was lost
        ON CONFLICT (run_id, attempt_number, step) DO NOTHING
        "#,
        key.run_id as RunId,
        key.number,
        checkpoint.step,
        checkpoint.object_key,
        checkpoint.fingerprint,
        checkpoint.cpu_kernel
    )
    .execute(&mut *tx)
    .await?;
    publish_objects(&mut tx, key, &[checkpoint.object_key.to_owned()], ObjectOwner::Checkpoint).await?;
    append(&mut tx, key.run_id, Some(key.number), EventKind::Checkpoint, &json!({ "step": checkpoint.step })).await?;
    discard_checkpoints(&mut tx, key.run_id, keep).await?;
    tx.commit().await?;
    Ok(())
}

/// Checkpoints of a run that fit, the newest first: a resumed attempt is always further than the one before, and one that began
/// anew had its reason.
///
/// # Errors
/// When Postgres does not answer.
pub async fn checkpoints_of(conn: &mut PgConnection, run_id: RunId, fingerprint: &str) -> Result<Vec<Checkpoint>, RunsError> {
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

/// Says that the attempt continues from a step of an earlier one.
///
/// # Errors
/// [`RunsError::LeaseLost`].
pub async fn record_resume(conn: &mut PgConnection, key: AttemptKey, step: i64, note: &str) -> Result<(), RunsError> {
    let mut tx = conn.begin().await?;
    hold_fence(&mut tx, key).await?;
    sqlx::query!("UPDATE attempts SET resumed_from_step = $3 WHERE run_id = $1 AND number = $2", key.run_id as RunId, key.number, step)
        .execute(&mut *tx)
        .await?;
    append(&mut tx, key.run_id, Some(key.number), EventKind::Log, &json!({ "text": note, "resumed_from_step": step })).await?;
    tx.commit().await?;
    Ok(())
}
