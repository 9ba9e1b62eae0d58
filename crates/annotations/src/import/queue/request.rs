//! Requesting a background import.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::import::queue::types::StoredOptions;

/// Declares the object of an import's file before its first byte is written. The sweeper deletes it after a day if no import is requested.
///
/// # Errors
/// If Postgres is unavailable.
pub async fn declare_import_object(conn: &mut PgConnection, object_key: &str) -> Result<(), sqlx::Error> {
    sqlx::query!("INSERT INTO objects (key) VALUES ($1)", object_key).execute(conn).await?;
    Ok(())
}

/// Records the multipart upload of the declared object, before its first part is sent: the sweeper aborts it if the process dies. Returns
/// `false` if the object no longer exists.
///
/// # Errors
/// If Postgres is unavailable.
pub async fn record_import_upload(conn: &mut PgConnection, object_key: &str, upload_id: &str) -> Result<bool, sqlx::Error> {
    let recorded = sqlx::query!("UPDATE objects SET upload_id = $2 WHERE key = $1 AND state = 'pending'", object_key, upload_id)
        .execute(conn)
        .await?
        .rows_affected();
    Ok(recorded == 1)
}

/// Requests an import whose file is stored. Returns `false` if the object no longer exists.
///
/// # Errors
/// If Postgres is unavailable.
pub async fn request_import(
    conn: &mut PgConnection,
    id: Uuid,
    object_key: &str,
    bytes: i64,
    sha256: &str,
    actor: &str,
    options: &StoredOptions,
) -> Result<bool, sqlx::Error> {
    let stored = sqlx::query!(
        "UPDATE objects SET sha256 = $2, bytes = $3, upload_id = NULL WHERE key = $1 AND state = 'pending'",
        object_key,
        sha256,
        bytes
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    if stored == 0 {
        return Ok(false);
    }
    sqlx::query!(
        "INSERT INTO import_requests (id, actor, options, object_key, bytes) VALUES ($1, $2, $3, $4, $5)",
        id,
        actor,
        serde_json::to_value(options).expect("options are plain data"),
        object_key,
        bytes,
    )
    .execute(conn)
    .await?;
    Ok(true)
}
