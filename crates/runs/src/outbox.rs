//! Announcements to be made, written in the transaction that made a run runnable.

use std::time::Duration;

use sqlx::PgConnection;

use crate::error::RunsError;
use crate::ids::RunId;

/// Asks the relay to announce the run. Called inside the transaction that makes it runnable.
pub(crate) async fn ask_for_announcement(conn: &mut PgConnection, run_id: RunId) -> Result<(), RunsError> {
    sqlx::query!("INSERT INTO outbox (run_id) VALUES ($1)", run_id as RunId).execute(conn).await?;
    Ok(())
}

/// Announcements that are due, oldest first, locked against other relays until the transaction ends: `(outbox id, run)`.
/// Rows of runs that need no announcement any more are deleted on the way.
///
/// # Errors
/// When Postgres does not answer.
pub async fn due_announcements(conn: &mut PgConnection, limit: i64) -> Result<Vec<(i64, RunId)>, RunsError> {
    sqlx::query!(
        r#"
        DELETE FROM outbox o USING training_runs r
        WHERE r.id = o.run_id AND r.status NOT IN ('queued', 'retrying')
        "#
    )
    .execute(&mut *conn)
    .await?;
    let rows = sqlx::query!(
        r#"
        SELECT o.id, o.run_id AS "run_id: RunId"
        FROM outbox o
        JOIN training_runs r ON r.id = o.run_id
        WHERE r.run_after <= clock_timestamp()
        ORDER BY r.priority DESC, o.id
        LIMIT $1
        FOR UPDATE OF o SKIP LOCKED
        "#,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.run_id)).collect())
}

/// Removes announcements that Redis has taken. When this commit is lost they are made twice, which does no harm.
///
/// # Errors
/// When Postgres does not answer.
pub async fn announced(conn: &mut PgConnection, outbox_ids: &[i64], run_ids: &[RunId]) -> Result<(), RunsError> {
    sqlx::query!("DELETE FROM outbox WHERE id = ANY($1)", outbox_ids).execute(&mut *conn).await?;
    let run_ids: Vec<uuid::Uuid> = run_ids.iter().map(|id| id.0).collect();
    sqlx::query!("UPDATE training_runs SET announced_at = clock_timestamp() WHERE id = ANY($1)", &run_ids).execute(conn).await?;
    Ok(())
}

/// How long until the next waiting announcement is due; `None` when nothing waits.
///
/// # Errors
/// When Postgres does not answer.
pub async fn next_due_in(conn: &mut PgConnection) -> Result<Option<Duration>, RunsError> {
    let seconds = sqlx::query_scalar!(
        r#"
        SELECT extract(epoch FROM min(r.run_after) - clock_timestamp())::float8
        FROM outbox o
        JOIN training_runs r ON r.id = o.run_id
        "#
    )
    .fetch_one(conn)
    .await?;
    Ok(seconds.map(|seconds| Duration::from_secs_f64(seconds.max(0.0))))
}
