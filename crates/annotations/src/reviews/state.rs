//! Reads and locks the current state of a field.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::documents::Annotation;
use crate::reviews::definition::load_definition;
use crate::reviews::error::ReviewError;
use crate::reviews::lock::check_document;
use aprendiz_annotation_types::ReviewStatus;

/// Returns the current state of one field of one document; `None` without review and prediction.
///
/// # Errors
/// When the document or field is unknown, the document was erased, or Postgres is unavailable.
pub async fn current_state(conn: &mut PgConnection, document: Uuid, field: &str) -> Result<Option<Annotation>, ReviewError> {
    check_document(conn, document).await?;
    load_definition(conn, field).await?;
    Ok(read_state(conn, document, field).await?)
}

/// Locks the state and reads it. Inserts a placeholder row if there is none.
pub(super) async fn lock_state(conn: &mut PgConnection, document: Uuid, field: &str) -> Result<Option<Annotation>, sqlx::Error> {
    sqlx::query!(
        "INSERT INTO annotations (document_id, field, review_status) VALUES ($1, $2, 'UNREVIEWED') ON CONFLICT DO NOTHING",
        document,
        field
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("SELECT version FROM annotations WHERE document_id = $1 AND field = $2 FOR UPDATE", document, field)
        .fetch_one(&mut *conn)
        .await?;
    // a separate statement, so that it sees what the previous one waited for
    read_state(conn, document, field).await
}

pub(super) async fn read_state(conn: &mut PgConnection, document: Uuid, field: &str) -> Result<Option<Annotation>, sqlx::Error> {
    sqlx::query_as!(
        Annotation,
        r#"
        SELECT document_id, field, predicted_value, accepted_value, spans, review_status AS "review_status: ReviewStatus",
               reviewer, version, occurred_at, updated_at
        FROM annotations
        WHERE document_id = $1 AND field = $2 AND (event_position IS NOT NULL OR predicted_value IS NOT NULL)
        "#,
        document,
        field
    )
    .fetch_optional(conn)
    .await
}

/// Returns the position of the event that the current state comes from.
pub(super) async fn read_event_position(conn: &mut PgConnection, document: Uuid, field: &str) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar!("SELECT event_position FROM annotations WHERE document_id = $1 AND field = $2", document, field)
        .fetch_one(conn)
        .await
}
