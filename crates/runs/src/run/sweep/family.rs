//! Children of sweeps as the targets of a cancellation or a retry of their sweep.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::RunsError;
use crate::ids::RunId;
use crate::run::status::RunStatus;

/// Locks the children of a sweep that have neither ended nor are being cancelled. A child that another transaction has locked is left out,
/// because that transaction may wait for the lock of the sweep, which the caller holds; [`lock_orphans`] finds it.
pub(crate) async fn lock_active_children(conn: &mut PgConnection, sweep: RunId) -> Result<Vec<(RunId, RunStatus)>, RunsError> {
    let children = sqlx::query!(
        r#"
        SELECT r.id AS "id: RunId", r.status AS "status: RunStatus"
        FROM sweep_children c
        JOIN training_runs r ON r.id = c.run_id
        WHERE c.sweep_id = $1 AND r.status IN ('queued', 'retrying', 'running')
        ORDER BY r.id
        FOR UPDATE OF r SKIP LOCKED
        "#,
        sweep as RunId
    )
    .fetch_all(conn)
    .await?;
    Ok(children.into_iter().map(|row| (row.id, row.status)).collect())
}

/// Locks children that go on although their sweep was cancelled or has failed, together with the sweep, so that no retry begins meanwhile.
pub(crate) async fn lock_orphans(conn: &mut PgConnection, limit: i64) -> Result<Vec<(RunId, RunStatus)>, RunsError> {
    let orphans = sqlx::query!(
        r#"
        SELECT r.id AS "id: RunId", r.status AS "status: RunStatus"
        FROM training_runs r
        JOIN sweep_children c ON c.run_id = r.id
        JOIN training_runs s ON s.id = c.sweep_id
        WHERE r.status IN ('queued', 'retrying', 'running') AND s.status IN ('cancelling', 'cancelled', 'failed')
        ORDER BY r.id
        LIMIT $1
        FOR UPDATE OF r, s SKIP LOCKED
        "#,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(orphans.into_iter().map(|row| (row.id, row.status)).collect())
}

/// Whether the run is a child of a sweep.
pub(crate) async fn is_sweep_child(conn: &mut PgConnection, run: RunId) -> Result<bool, RunsError> {
    let found = sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM sweep_children WHERE run_id = $1) AS "found!""#, run as RunId)
        .fetch_one(conn)
        .await?;
    Ok(found)
}

/// Whether a child of the sweep is still being cancelled.
pub(crate) async fn has_cancelling_child(conn: &mut PgConnection, sweep: RunId) -> Result<bool, RunsError> {
    let found = sqlx::query_scalar!(
        r#"
        SELECT EXISTS (
            SELECT FROM sweep_children c JOIN training_runs r ON r.id = c.run_id WHERE c.sweep_id = $1 AND r.status = 'cancelling'
        ) AS "found!"
        "#,
        sweep as RunId
    )
    .fetch_one(conn)
    .await?;
    Ok(found)
}

/// The children that are retried with these sweeps: the winner, or else the failed and cancelled trials of the latest rung. What earlier
/// rungs have decided stands.
pub(crate) async fn list_retried_children(conn: &mut PgConnection, sweeps: &[RunId]) -> Result<Vec<RunId>, RunsError> {
    let sweeps: Vec<Uuid> = sweeps.iter().map(|id| id.0).collect();
    let children = sqlx::query_scalar!(
        r#"
        SELECT c.run_id AS "run_id: RunId"
        FROM sweep_children c
        JOIN training_runs r ON r.id = c.run_id
        WHERE c.sweep_id = ANY($1) AND r.status IN ('failed', 'cancelled')
            AND (c.role = 'winner' OR (
                NOT EXISTS (SELECT FROM sweep_children w WHERE w.sweep_id = c.sweep_id AND w.role = 'winner')
                AND c.rung = (SELECT max(t.rung) FROM sweep_children t WHERE t.sweep_id = c.sweep_id)))
        ORDER BY c.run_id
        "#,
        &sweeps
    )
    .fetch_all(conn)
    .await?;
    Ok(children)
}
