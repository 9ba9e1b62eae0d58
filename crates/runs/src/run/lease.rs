//! The lease of an attempt, and the fence: the check that guards every write of a worker.

use std::time::Duration;

use aprendiz_db::ensure_one_row;
use sqlx::PgConnection;

use crate::error::RunsError;
use crate::ids::RunId;
use crate::run::attempt::AttemptId;
use crate::run::status::RunStatus;

/// The fence: locks the run's row (`FOR UPDATE`) until the transaction ends, if the attempt still owns the run. Every transaction of a
/// worker starts with it.
///
/// # Errors
/// [`RunsError::LeaseLost`] when the attempt no longer owns the run.
pub async fn lock_attempt(conn: &mut PgConnection, attempt: AttemptId) -> Result<RunStatus, RunsError> {
    sqlx::query_scalar!(
        r#"
        SELECT r.status AS "status: RunStatus"
        FROM training_runs r
        JOIN attempts a ON a.run_id = r.id AND a.number = r.attempt_number
        WHERE r.id = $1 AND r.attempt_number = $2 AND r.status IN ('running', 'cancelling') AND a.status = 'running'
        FOR UPDATE OF r
        "#,
        attempt.run_id as RunId,
        attempt.number
    )
    .fetch_optional(conn)
    .await?
    .ok_or(attempt.lease_lost())
}

/// Renews the lease by the database clock. Changes only the attempt, so it never waits for a lock on the run.
///
/// # Errors
/// [`RunsError::LeaseLost`] when the attempt has ended meanwhile.
pub async fn renew_lease(conn: &mut PgConnection, attempt: AttemptId, lease: Duration) -> Result<(), RunsError> {
    let renewed = sqlx::query!(
        r#"
        UPDATE attempts
        SET lease_expires_at = clock_timestamp() + make_interval(secs => $3), heartbeat_at = clock_timestamp()
        WHERE run_id = $1 AND number = $2 AND status = 'running'
        "#,
        attempt.run_id as RunId,
        attempt.number,
        lease.as_secs_f64()
    )
    .execute(conn)
    .await?;
    ensure_one_row(&renewed, || attempt.lease_lost())
}

/// Whether cancellation of the run of this attempt was requested.
///
/// # Errors
/// [`RunsError::LeaseLost`] when the attempt no longer owns the run.
pub async fn cancel_was_requested(conn: &mut PgConnection, attempt: AttemptId) -> Result<bool, RunsError> {
    sqlx::query_scalar!(
        r#"
        SELECT r.status = 'cancelling' AS "cancelling!"
        FROM training_runs r
        JOIN attempts a ON a.run_id = r.id AND a.number = r.attempt_number
        WHERE r.id = $1 AND r.attempt_number = $2 AND a.status = 'running'
        "#,
        attempt.run_id as RunId,
        attempt.number
    )
    .fetch_optional(conn)
    .await?
    .ok_or(attempt.lease_lost())
}
