//! Deletion of objects that nothing refers to: the database side. The sweeper deletes the bytes.
//!
//! An object is deleted in three repeatable steps: its row becomes `deleting`, its bytes are deleted, its row is deleted. A crash in
//! between leaves a `deleting` row for the next round. Publishing needs a `pending` row, so either the sweeper or the publication
//! gets the object.

use std::time::Duration;

use sqlx::PgConnection;

use crate::error::RunsError;

/// An object whose bytes are to be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingDeletion {
    /// Key of the object, without the prefix of the bucket.
    pub key: String,
    /// Its multipart upload, if one was started and is not known to have ended.
    pub upload_id: Option<String>,
    /// Whether its bytes were written completely. If not, an upload may have been started that is not recorded.
    pub is_written: bool,
}

/// Marks objects for deletion that have been `pending` for longer than `older_than` and whose attempt has ended. Returns how many.
///
/// # Errors
/// When Postgres does not answer.
pub async fn mark_abandoned_objects(conn: &mut PgConnection, older_than: Duration, limit: i64) -> Result<u64, RunsError> {
    let marked = sqlx::query!(
        r#"
        WITH dead AS (
            SELECT o.key
            FROM objects o
            WHERE o.state = 'pending'
                AND o.created_at <= statement_timestamp() - make_interval(secs => $1)
                AND NOT EXISTS (
                    SELECT FROM attempts a
                    WHERE a.run_id = o.run_id AND a.number = o.attempt_number AND a.status = 'running'
                )
            ORDER BY o.created_at
            LIMIT $2
            -- an object that is being published is locked, and skipped
            FOR UPDATE SKIP LOCKED
        )
        UPDATE objects o
        SET state = 'deleting'
        FROM dead
        WHERE o.key = dead.key AND o.state = 'pending'
        "#,
        older_than.as_secs_f64(),
        limit
    )
    .execute(conn)
    .await?
    .rows_affected();
    Ok(marked)
}

/// Lists objects whose bytes are to be deleted, by key, after the key `after`.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list_pending_deletions(conn: &mut PgConnection, after: &str, limit: i64) -> Result<Vec<PendingDeletion>, RunsError> {
    let objects = sqlx::query_as!(
        PendingDeletion,
        r#"
        SELECT key, upload_id, sha256 IS NOT NULL AS "is_written!"
        FROM objects
        WHERE state = 'deleting' AND key > $1
        ORDER BY key
        LIMIT $2
        "#,
        after,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(objects)
}

/// Deletes the row of an object whose bytes are deleted. Returns whether the row existed.
///
/// # Errors
/// When Postgres does not answer.
pub async fn delete_object_row(conn: &mut PgConnection, object_key: &str) -> Result<bool, RunsError> {
    let deleted =
        sqlx::query!("DELETE FROM objects WHERE key = $1 AND state = 'deleting'", object_key).execute(conn).await?.rows_affected();
    Ok(deleted == 1)
}
