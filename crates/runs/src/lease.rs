//! The lease of an attempt, and the fence that guards every write of a worker.

use std::time::Duration;

use sqlx::PgConnection;

use crate::attempt::AttemptKey;
use crate::error::RunsError;
use crate::ids::RunId;
use crate::status::RunStatus;

/// Locks the run's row for this transaction if the attempt still owns it. Every transaction of a worker starts with this.
///
/// # Errors
/// [`RunsError::LeaseLost`] when it does not.
pub async fn hold_fence(conn: &mut PgConnection, key: AttemptKey) -> Result<RunStatus, RunsError> {
    sqlx::query_scalar!(
        r#"
        SELECT r.status AS "status: RunStatus"
        FROM training_runs r
        JOIN attempts a ON a.run_id = r.id AND a.number = r.attempt_number
        WHERE r.id = $1 AND r.attempt_number = $2 AND r.status IN ('running', 'cancelling') AND a.status = 'running'
        FOR UPDATE OF r
        "#,
        key.run_id as RunId,
        key.number
    )
    .fetch_optional(conn)
    .await?
    .ok_or(RunsError::LeaseLost { run_id: key.run_id, number: key.number })
}

/// Renews the lease by the database clock. Touches the attempt only: renewing never waits for a reader of the run.
///
/// # Errors
/// [`RunsError::LeaseLost`] when the attempt was ended meanwhile.
pub async fn renew_lease(conn: &mut PgConnection, key: AttemptKey, lease: Duration) -> Result<(), RunsError> {
    let renewed = sqlx::query!(
        r#"
        UPDATE attempts
        SET lease_expires_at = clock_timestamp() + make_interval(secs => $3), heartbeat_at = clock_timestamp()
        WHERE run_id = $1 AND number = $2 AND status = 'running'
        "#,
        key.run_id as RunId,
        key.number,
        lease.as_secs_f64()
    )
    .execute(conn)
    .await?
    .rows_affected();
    if renewed == 1 { Ok(()) } else { Err(RunsError::LeaseLost { run_id: key.run_id, number: key.number }) }
}

/// Whether someone asked to cancel the run of this attempt.
///
/// # Errors
/// [`RunsError::LeaseLost`] when the attempt no longer owns the run.
pub async fn cancel_was_requested(conn: &mut PgConnection, key: AttemptKey) -> Result<bool, RunsError> {
    sqlx::query_scalar!(
        r#"
        SELECT r.status = 'cancelling' AS "cancelling!"
        FROM training_runs r
        JOIN attempts a ON a.run_id = r.id AND a.number = r.attempt_number
        WHERE r.id = $1 AND r.attempt_number = $2 AND a.status = 'running'
        "#,
        key.run_id as RunId,
        key.number
    )
    .fetch_optional(conn)
    .await?
    .ok_or(RunsError::LeaseLost { run_id: key.run_id, number: key.number })
}
