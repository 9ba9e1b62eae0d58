//! Completing a background import.

use aprendiz_annotation_types::remove_nul;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::import::queue::types::ImportStatus;

/// Completes an import that succeeded, in its own transaction. Returns `false` if the lease is lost; the import must then be rolled back.
///
/// # Errors
/// If Postgres is unavailable.
pub async fn finish_import(conn: &mut PgConnection, id: Uuid, attempt: i32) -> Result<bool, sqlx::Error> {
    finish(conn, id, attempt, ImportStatus::Succeeded, None).await
}

/// Marks an import as permanently failed. Returns `false` if the lease is lost.
///
/// # Errors
/// If Postgres is unavailable.
pub async fn fail_import(conn: &mut PgConnection, id: Uuid, attempt: i32, code: &str, error: &str) -> Result<bool, sqlx::Error> {
    finish(conn, id, attempt, ImportStatus::Failed, Some((code, error))).await
}

async fn finish(
    conn: &mut PgConnection,
    id: Uuid,
    attempt: i32,
    status: ImportStatus,
    error: Option<(&str, &str)>,
) -> Result<bool, sqlx::Error> {
    let finished = sqlx::query!(
        "WITH finished AS (
             UPDATE import_requests
             SET status = $3, lease_expires_at = NULL, stage = NULL, finished_at = clock_timestamp(), error_code = $4, error = $5
             WHERE id = $1 AND attempt = $2 AND status = 'running'
             RETURNING object_key
         ), deleted AS (
             UPDATE objects o SET state = 'deleting' FROM finished f WHERE o.key = f.object_key AND o.state = 'pending'
         )
         SELECT count(*) AS \"count!\" FROM finished",
        id,
        attempt,
        status as ImportStatus,
        error.map(|(code, _)| code),
        error.map(|(_, text)| remove_nul(text).into_owned()),
    )
    .fetch_one(conn)
    .await?;
    Ok(finished.count == 1)
}
