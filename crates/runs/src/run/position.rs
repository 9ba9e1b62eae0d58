//! Resolution of `as_of` to a position, once, when a run is created.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::error::RunsError;

/// Resolves the latest visible position, or the latest one recorded by `as_of`. Nothing at or below it can change any more: positions
/// are assigned under a lock held until commit, so no smaller one is still uncommitted.
///
/// # Errors
/// When Postgres does not answer.
pub async fn resolve_position(conn: &mut PgConnection, as_of: Option<DateTime<Utc>>) -> Result<i64, RunsError> {
    // recorded_at and created_at are written under the same lock and increase with the position, so each branch stops at its first
    // row; field definitions are few
    let position = sqlx::query_scalar!(
        r#"
        SELECT greatest(
            (SELECT position FROM annotation_events WHERE $1::timestamptz IS NULL OR recorded_at <= $1 ORDER BY position DESC LIMIT 1),
            (SELECT position FROM document_texts WHERE $1::timestamptz IS NULL OR created_at <= $1 ORDER BY position DESC LIMIT 1),
            (SELECT position FROM document_splits WHERE $1::timestamptz IS NULL OR created_at <= $1 ORDER BY position DESC LIMIT 1),
            (SELECT position FROM document_details WHERE $1::timestamptz IS NULL OR created_at <= $1 ORDER BY position DESC LIMIT 1),
            (SELECT position FROM document_withdrawals WHERE $1::timestamptz IS NULL OR created_at <= $1 ORDER BY position DESC LIMIT 1),
            (SELECT max(position) FROM field_definitions WHERE $1::timestamptz IS NULL OR created_at <= $1),
            0
        ) AS "position!"
        "#,
        as_of
    )
    .fetch_one(conn)
    .await?;
    Ok(position)
}
