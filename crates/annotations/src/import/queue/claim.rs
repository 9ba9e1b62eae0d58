//! Claiming a background import, and keeping its lease.

use std::time::Duration;

use sqlx::PgConnection;
use uuid::Uuid;

use crate::import::queue::types::ClaimedImport;
use crate::import::report::Stage;

/// Maximum number of interrupted attempts before an import fails.
const MAX_ATTEMPTS: i32 = 3;

/// Claims the oldest queued import, or one whose lease has expired. An import that was interrupted too often fails instead.
///
/// # Errors
/// If Postgres is unavailable.
pub async fn claim_import(conn: &mut PgConnection, lease: Duration) -> Result<Option<ClaimedImport>, sqlx::Error> {
    sqlx::query!(
        "WITH failed AS (
             UPDATE import_requests
             SET status = 'failed', lease_expires_at = NULL, stage = NULL, finished_at = clock_timestamp(), error_code = 'importer_lost',
                 error = 'nothing was imported: the import was interrupted ' || attempt || ' times; check the logs of the server, then send the file again'
             WHERE status = 'running' AND lease_expires_at < clock_timestamp() AND attempt >= $1
             RETURNING object_key
         )
         UPDATE objects o SET state = 'deleting' FROM failed f WHERE o.key = f.object_key AND o.state = 'pending'",
        MAX_ATTEMPTS
    )
    .execute(&mut *conn)
    .await?;
    let claimed = sqlx::query!(
        r#"
        UPDATE import_requests r
        SET status = 'running', attempt = r.attempt + 1, lease_expires_at = clock_timestamp() + make_interval(secs => $1),
            started_at = clock_timestamp(), stage = 'reading', bytes_read = 0, tasks = 0
        WHERE r.id = (
            SELECT id
            FROM import_requests
            WHERE status = 'queued' OR (status = 'running' AND lease_expires_at < clock_timestamp())
            ORDER BY created_at
            LIMIT 1
            FOR UPDATE SKIP LOCKED
        )
        RETURNING r.id, r.attempt, r.object_key, r.bytes, r.actor, r.options
        "#,
        lease.as_secs_f64()
    )
    .fetch_optional(conn)
    .await?;
    Ok(claimed.map(|row| ClaimedImport {
        id: row.id,
        attempt: row.attempt,
        object_key: row.object_key,
        bytes: row.bytes,
        actor: row.actor,
        options: row.options,
    }))
}

/// Renews the lease and reports progress. Returns `false` if the lease is lost.
///
/// # Errors
/// If Postgres is unavailable.
pub async fn renew_import(
    conn: &mut PgConnection,
    id: Uuid,
    attempt: i32,
    lease: Duration,
    stage: Stage,
    bytes_read: i64,
    tasks: i64,
) -> Result<bool, sqlx::Error> {
    let renewed = sqlx::query!(
        "UPDATE import_requests
         SET lease_expires_at = clock_timestamp() + make_interval(secs => $3), stage = $4, bytes_read = $5, tasks = $6
         WHERE id = $1 AND attempt = $2 AND status = 'running'",
        id,
        attempt,
        lease.as_secs_f64(),
        stage.as_str(),
        bytes_read,
        tasks,
    )
    .execute(conn)
    .await?
    .rows_affected();
    Ok(renewed == 1)
}

/// Releases an import that could not be completed through no fault of its own. It is queued again.
///
/// # Errors
/// If Postgres is unavailable.
pub async fn release_import(conn: &mut PgConnection, id: Uuid, attempt: i32, costs_attempt: bool) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE import_requests
         SET status = 'queued', lease_expires_at = NULL, stage = NULL, attempt = attempt - CASE WHEN $3 THEN 0 ELSE 1 END
         WHERE id = $1 AND attempt = $2 AND status = 'running'",
        id,
        attempt,
        costs_attempt,
    )
    .execute(conn)
    .await?;
    Ok(())
}
