//! Cancellation: the request, and the end of a cancelled run.

use aprendiz_db::ensure_one_row;
use serde_json::json;
use sqlx::{Acquire as _, PgConnection};

use crate::access::audit::record_audit;
use crate::error::RunsError;
use crate::ids::RunId;
use crate::run::attempt::AttemptId;
use crate::run::attempt_end::end_attempt;
use crate::run::event::append;
use crate::run::lease::lock_attempt;
use crate::run::outbox::clear_outbox;
use crate::run::status::{AttemptStatus, EventKind, RunStatus};
use crate::run::sweep::family::{lock_active_children, lock_orphans};
use crate::run::sweep::wakeup::wake_sweep;
use crate::run::training_run::{TrainingRun, get_run, lock_run};

/// Who cancels the children of a sweep that has ended.
const ORPHAN_ACTOR: &str = "rule sweep_ended";

/// Requests cancellation: a waiting run is cancelled at once; a running one becomes `cancelling` until its worker stops it. Repeating
/// the request changes nothing. The children of a sweep are cancelled with it; one that another transaction has locked is cancelled by
/// [`cancel_orphaned_trials`].
///
/// # Errors
/// [`RunsError::WrongState`] when the run has succeeded or failed, [`RunsError::UnknownRun`].
pub async fn cancel_run(conn: &mut PgConnection, id: RunId, actor: &str) -> Result<TrainingRun, RunsError> {
    let mut tx = conn.begin().await?;
    let status = lock_run(&mut tx, id).await?;
    match status {
        RunStatus::Queued | RunStatus::Retrying | RunStatus::Running => {}
        RunStatus::Cancelling | RunStatus::Cancelled => return get_run(&mut tx, id).await,
        RunStatus::Succeeded | RunStatus::Failed => {
            return Err(RunsError::WrongState { run_id: id, status, why: "only a run that has not ended can be cancelled" });
        }
    }
    request(&mut tx, id, status, actor).await?;
    for (child, status) in lock_active_children(&mut tx, id).await? {
        request(&mut tx, child, status, actor).await?;
    }
    let run = get_run(&mut tx, id).await?;
    tx.commit().await?;
    Ok(run)
}

/// Cancels children that go on although their sweep was cancelled or has failed. Returns how many.
///
/// # Errors
/// When Postgres does not answer.
pub async fn cancel_orphaned_trials(conn: &mut PgConnection, limit: i64) -> Result<usize, RunsError> {
    let mut tx = conn.begin().await?;
    let orphans = lock_orphans(&mut tx, limit).await?;
    for (child, status) in &orphans {
        request(&mut tx, *child, *status, ORPHAN_ACTOR).await?;
    }
    tx.commit().await?;
    Ok(orphans.len())
}

/// Requests the cancellation of a run that waits or is running. The caller holds its lock and has read `status` under it.
async fn request(conn: &mut PgConnection, id: RunId, status: RunStatus, actor: &str) -> Result<(), RunsError> {
    let next = if status == RunStatus::Running { RunStatus::Cancelling } else { RunStatus::Cancelled };
    // the error of an earlier attempt stays with that attempt: this run ends because of the request
    let requested = sqlx::query!(
        r#"
        UPDATE training_runs
        SET cancel_requested_at = clock_timestamp(),
            status = $2,
            error_code = NULL,
            error_text = NULL,
            finished_at = CASE WHEN $3 THEN clock_timestamp() END
        WHERE id = $1 AND status = $4
        "#,
        id as RunId,
        next as RunStatus,
        next.is_final(),
        status as RunStatus
    )
    .execute(&mut *conn)
    .await?;
    ensure_one_row(&requested, || RunsError::UnknownRun(id))?;
    append(&mut *conn, id, None, EventKind::State, &json!({ "status": next, "by": actor })).await?;
    record_audit(&mut *conn, actor, "training_run.cancel", &id.to_string(), &json!({})).await?;
    if next.is_final() {
        append(&mut *conn, id, None, EventKind::End, &json!({ "status": next })).await?;
        clear_outbox(&mut *conn, id).await?;
        wake_sweep(conn, id).await?;
    }
    Ok(())
}

/// Ends a run whose cancellation was requested, once its work has stopped.
///
/// # Errors
/// [`RunsError::LeaseLost`]; [`RunsError::WrongState`] when cancellation was not requested.
pub async fn cancel_attempt(conn: &mut PgConnection, attempt: AttemptId) -> Result<(), RunsError> {
    let mut tx = conn.begin().await?;
    let status = lock_attempt(&mut tx, attempt).await?;
    if status != RunStatus::Cancelling {
        return Err(RunsError::WrongState {
            run_id: attempt.run_id,
            status,
            why: "only a run whose cancellation was requested can end as cancelled",
        });
    }
    end_cancelled(&mut tx, attempt).await?;
    tx.commit().await?;
    Ok(())
}

/// Ends the attempt and the run as cancelled. The caller holds the lock of the attempt.
pub(crate) async fn end_cancelled(conn: &mut PgConnection, attempt: AttemptId) -> Result<(), RunsError> {
    end_attempt(conn, attempt, AttemptStatus::Cancelled, None).await?;
    end_cancelled_run(conn, attempt).await
}

/// Ends the run as cancelled. The caller holds the run's row lock and has ended the attempt.
pub(crate) async fn end_cancelled_run(conn: &mut PgConnection, attempt: AttemptId) -> Result<(), RunsError> {
    let cancelled = sqlx::query!(
        r#"
        UPDATE training_runs
        SET status = 'cancelled', phase = NULL, progress = NULL, finished_at = clock_timestamp()
        WHERE id = $1 AND attempt_number = $2 AND status = 'cancelling'
        "#,
        attempt.run_id as RunId,
        attempt.number
    )
    .execute(&mut *conn)
    .await?;
    ensure_one_row(&cancelled, || attempt.lease_lost())?;
    append(conn, attempt.run_id, Some(attempt.number), EventKind::State, &json!({ "status": "cancelled" })).await?;
    append(conn, attempt.run_id, Some(attempt.number), EventKind::End, &json!({ "status": "cancelled" })).await?;
    wake_sweep(conn, attempt.run_id).await
}
