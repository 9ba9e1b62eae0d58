//! The ways an attempt ends that are no failure: success, release, cancellation.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{Acquire as _, PgConnection};

use crate::attempt::AttemptKey;
use crate::dataset_build::end_dataset_builds;
use crate::error::RunsError;
use crate::event::append;
use crate::failure::Failure;
use crate::ids::RunId;
use crate::lease::hold_fence;
use crate::outbox::ask_for_announcement;
use crate::status::{AttemptStatus, EventKind, RunStatus};

/// Ends a run with success. The caller has begun a transaction with [`hold_fence`] and written what the run leaves behind: a training
/// run its model version, a dataset-only or evaluate run none.
///
/// # Errors
/// [`RunsError::LeaseLost`] when the run is no longer running, was asked to cancel, or has not left what its kind must leave.
pub(crate) async fn succeed(conn: &mut PgConnection, key: AttemptKey) -> Result<(), RunsError> {
    end_attempt(conn, key, AttemptStatus::Succeeded, None).await?;
    let changed = sqlx::query!(
        r#"
        UPDATE training_runs
        SET status = 'succeeded', phase = NULL, progress = NULL, finished_at = clock_timestamp()
        WHERE id = $1 AND attempt_number = $2 AND status = 'running'
            -- a training run succeeds with its model version, the others without one
            AND (dataset_only OR kind = 'evaluate') <> EXISTS (SELECT FROM model_versions v WHERE v.run_id = training_runs.id)
        "#,
        key.run_id as RunId,
        key.number
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    if changed != 1 {
        return Err(RunsError::LeaseLost { run_id: key.run_id, number: key.number });
    }
    append(conn, key.run_id, Some(key.number), EventKind::State, &json!({ "status": "succeeded" })).await?;
    append(conn, key.run_id, Some(key.number), EventKind::End, &json!({ "status": "succeeded" })).await
}

/// Gives a run back unfinished, for example at shutdown: the attempt does not count and the run is announced again.
///
/// # Errors
/// [`RunsError::LeaseLost`].
pub async fn release_attempt(conn: &mut PgConnection, key: AttemptKey) -> Result<(), RunsError> {
    let mut tx = conn.begin().await?;
    if hold_fence(&mut tx, key).await? == RunStatus::Cancelling {
        end_cancelled(&mut tx, key).await?;
    } else {
        release(&mut tx, key, Duration::ZERO, &json!({ "status": "queued", "attempt": "released" })).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Ends the attempt as released and queues the run, to be claimed after the pause. The caller holds the fence, and nobody asked to cancel.
pub(crate) async fn release(conn: &mut PgConnection, key: AttemptKey, pause: Duration, event: &Value) -> Result<(), RunsError> {
    end_attempt(conn, key, AttemptStatus::Released, None).await?;
    sqlx::query!(
        r#"
        UPDATE training_runs
        SET status = 'queued', phase = NULL, progress = NULL, attempts_used = greatest(attempts_used - 1, 0),
            run_after = CASE WHEN $2::float8 > 0 THEN clock_timestamp() + make_interval(secs => $2) ELSE run_after END
        WHERE id = $1
        "#,
        key.run_id as RunId,
        pause.as_secs_f64()
    )
    .execute(&mut *conn)
    .await?;
    append(conn, key.run_id, Some(key.number), EventKind::State, event).await?;
    ask_for_announcement(conn, key.run_id).await
}

/// Ends a run that was asked to cancel, once its work has stopped.
///
/// # Errors
/// [`RunsError::LeaseLost`]; [`RunsError::WrongState`] when nobody asked to cancel.
pub async fn cancel_attempt(conn: &mut PgConnection, key: AttemptKey) -> Result<(), RunsError> {
    let mut tx = conn.begin().await?;
    let status = hold_fence(&mut tx, key).await?;
    if status != RunStatus::Cancelling {
        return Err(RunsError::WrongState { run_id: key.run_id, status, why: "only a run that was asked to cancel ends as cancelled" });
    }
    end_cancelled(&mut tx, key).await?;
    tx.commit().await?;
    Ok(())
}

pub(crate) async fn end_cancelled(conn: &mut PgConnection, key: AttemptKey) -> Result<(), RunsError> {
    end_attempt(conn, key, AttemptStatus::Cancelled, None).await?;
    end_cancelled_run(conn, key).await
}

/// Ends the run as cancelled. The caller holds the run's row and has ended the attempt.
pub(crate) async fn end_cancelled_run(conn: &mut PgConnection, key: AttemptKey) -> Result<(), RunsError> {
    sqlx::query!(
        r#"
        UPDATE training_runs
        SET status = 'cancelled', phase = NULL, progress = NULL, finished_at = clock_timestamp()
        WHERE id = $1 AND status = 'cancelling'
        "#,
        key.run_id as RunId
    )
    .execute(&mut *conn)
    .await?;
    append(conn, key.run_id, Some(key.number), EventKind::State, &json!({ "status": "cancelled" })).await?;
    append(conn, key.run_id, Some(key.number), EventKind::End, &json!({ "status": "cancelled" })).await
}

/// Ends the attempt row, and what it builds for others. Compare-and-set on `running`.
pub(crate) async fn end_attempt(
    conn: &mut PgConnection,
    key: AttemptKey,
    status: AttemptStatus,
    failure: Option<&Failure>,
) -> Result<(), RunsError> {
    let changed = sqlx::query!(
        r#"
        UPDATE attempts
        SET status = $3, finished_at = clock_timestamp(), error_code = $4, error_text = $5
        WHERE run_id = $1 AND number = $2 AND status = 'running'
        "#,
        key.run_id as RunId,
        key.number,
        status as AttemptStatus,
        failure.map(|failure| failure.code.as_str()),
        failure.map(|failure| failure.text.as_str())
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    if changed != 1 {
        return Err(RunsError::LeaseLost { run_id: key.run_id, number: key.number });
    }
    end_dataset_builds(conn, key).await
}
