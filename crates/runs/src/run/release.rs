//! Release of an attempt: the run returns to the queue unfinished and the attempt does not count.

use std::time::Duration;

use aprendiz_db::ensure_one_row;
use serde_json::{Value, json};
use sqlx::{Acquire as _, PgConnection};

use crate::error::RunsError;
use crate::ids::RunId;
use crate::run::attempt::AttemptId;
use crate::run::attempt_end::end_attempt;
use crate::run::cancel::end_cancelled;
use crate::run::event::append;
use crate::run::lease::lock_attempt;
use crate::run::outbox::enqueue_outbox;
use crate::run::status::{AttemptStatus, EventKind, RunStatus};

/// Releases an unfinished run, for example at shutdown. The attempt does not count, and the run is queued again.
///
/// # Errors
/// [`RunsError::LeaseLost`].
pub async fn release_attempt(conn: &mut PgConnection, attempt: AttemptId) -> Result<(), RunsError> {
    let mut tx = conn.begin().await?;
    if lock_attempt(&mut tx, attempt).await? == RunStatus::Cancelling {
        end_cancelled(&mut tx, attempt).await?;
    } else {
        requeue_released(&mut tx, attempt, Duration::ZERO, &json!({ "status": "queued", "attempt": "released" })).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Ends the attempt as released and queues the run, claimable after `delay`. The caller holds the lock of the attempt and has checked
/// that cancellation was not requested.
pub(crate) async fn requeue_released(conn: &mut PgConnection, attempt: AttemptId, delay: Duration, event: &Value) -> Result<(), RunsError> {
    end_attempt(conn, attempt, AttemptStatus::Released, None).await?;
    let queued = sqlx::query!(
        r#"
        UPDATE training_runs
        SET status = 'queued', phase = NULL, progress = NULL, attempts_used = greatest(attempts_used - 1, 0),
            run_after = CASE WHEN $2::float8 > 0 THEN clock_timestamp() + make_interval(secs => $2) ELSE run_after END
        WHERE id = $1 AND attempt_number = $3 AND status = 'running'
        "#,
        attempt.run_id as RunId,
        delay.as_secs_f64(),
        attempt.number
    )
    .execute(&mut *conn)
    .await?;
    ensure_one_row(&queued, || attempt.lease_lost())?;
    append(conn, attempt.run_id, Some(attempt.number), EventKind::State, event).await?;
    enqueue_outbox(conn, attempt.run_id).await
}
