//! Resolves `as_of` to a position, once, when a run is created.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::error::RunsError;

/// The position below which nothing can change any more: the newest visible one, or the newest recorded at `as_of`.
///
/// Positions are drawn under a lock that is held until commit, so a visible position has no smaller one still open.
///
/// # Errors
/// When Postgres does not answer.
pub async fn resolve_position(conn: &mut PgConnection, as_of: Option<DateTime<Utc>>) -> Result<i64, RunsError> {
    // recorded_at and created_at are written under the same lock, so they rise with the position: each branch stops at its first row;
    // a definition of a field alone may be what changed, and there are few of them
    let position = sqlx::query_scalar!(
        r#"
        SELECT greatest(
            (SELECT position FROM annotation_events WHERE $1::timestamptz IS NULL OR recorded_at <= $1 ORDER BY position DESC LIMIT 1),
            (SELECT position FROM document_texts WHERE $1::timestamptz IS NULL OR created_at <= $1 ORDER BY position DESC LIMIT 1),
            (SELECT position FROM document_splits WHERE $1::timestamptz IS NULL OR created_at <= $1 ORDER BY position DESC LIMIT 1),
            (SELECT position FROM document_details WHERE $1::timestamptz IS NULL OR created_at <= $1 ORDER BY position DESC LIMIT 1),
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
