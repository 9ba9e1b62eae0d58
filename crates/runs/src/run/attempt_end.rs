//! The end of an attempt, whatever the outcome, and of the dataset build that it owned.

use aprendiz_db::ensure_one_row;
use sqlx::PgConnection;

use crate::error::RunsError;
use crate::ids::RunId;
use crate::queues::capacity::wake_limited_queue;
use crate::run::attempt::{AttemptId, Failure};
use crate::run::status::AttemptStatus;

/// Ends the attempt and its dataset builds. Compare-and-set on status `running`.
pub(crate) async fn end_attempt(
    conn: &mut PgConnection,
    attempt: AttemptId,
    status: AttemptStatus,
    failure: Option<&Failure>,
) -> Result<(), RunsError> {
    let ended = sqlx::query!(
        r#"
        UPDATE attempts
        SET status = $3, finished_at = clock_timestamp(), error_code = $4, error_text = $5
        WHERE run_id = $1 AND number = $2 AND status = 'running'
        "#,
        attempt.run_id as RunId,
        attempt.number,
        status as AttemptStatus,
        failure.map(|failure| failure.code.as_str()),
        failure.map(|failure| failure.text.as_str())
    )
    .execute(&mut *conn)
    .await?;
    ensure_one_row(&ended, || attempt.lease_lost())?;
    wake_limited_queue(&mut *conn, attempt.run_id).await?;
    end_dataset_builds(conn, attempt).await
}

/// Ends the dataset builds of an attempt and makes the runs that wait for them claimable. The caller has begun a transaction.
///
/// # Errors
/// When Postgres does not answer.
pub async fn end_dataset_builds(conn: &mut PgConnection, attempt: AttemptId) -> Result<(), RunsError> {
    let ended = sqlx::query_scalar!(
        "DELETE FROM dataset_builds WHERE run_id = $1 AND attempt_number = $2 RETURNING key",
        attempt.run_id as RunId,
        attempt.number
    )
    .fetch_all(&mut *conn)
    .await?;
    if ended.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        r#"
        WITH waiting AS (
            SELECT id
            FROM training_runs
            WHERE awaited_dataset_key = ANY($1) AND status = 'queued'
            ORDER BY id
            -- a locked run is changing for another reason
            FOR UPDATE SKIP LOCKED
        ), woken AS (
            UPDATE training_runs r
            SET run_after = clock_timestamp(), awaited_dataset_key = NULL
            FROM waiting w
            WHERE r.id = w.id
            RETURNING r.id, r.run_after
        )
        INSERT INTO outbox (run_id, due_at)
        SELECT id, run_after FROM woken
        "#,
        &ended
    )
    .execute(conn)
    .await?;
    Ok(())
}
