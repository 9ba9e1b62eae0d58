//! Redacts the content of a document.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::erasure::types::Redacted;
use crate::error::AnnotationsError;
use crate::near_duplicates;

/// Redacts a document: texts, details, values, spans, notes, predictions, current state and sketches. `None` for an unknown document and
/// for one that was erased before.
///
/// The caller has begun a READ COMMITTED transaction, and records the erasure in it with [`record_erasure`](super::record_erasure). Takes
/// the same locks as an import, in the same order: it waits for an import in progress and redacts what that import added. Content cannot
/// be added in between, because texts and events are only written under the position lock.
///
/// # Errors
/// When Postgres is unavailable.
pub async fn redact_document(conn: &mut PgConnection, document_id: Uuid) -> Result<Option<Redacted>, AnnotationsError> {
    near_duplicates::lock(conn).await?;
    // reviews lock the key of their document: this waits for reviews in progress; later reviews wait and then see the erasure
    sqlx::query!("SELECT id FROM documents WHERE id = $1 FOR UPDATE", document_id).fetch_optional(&mut *conn).await?;
    let position = sqlx::query_scalar!(r#"SELECT next_position() AS "position!""#).fetch_one(&mut *conn).await?;
    let documents = sqlx::query!(
        r#"
        UPDATE documents
        SET file_name = NULL, metadata = '{}', updated_at = clock_timestamp()
        WHERE id = $1 AND NOT EXISTS (SELECT FROM erasures e WHERE e.document_id = $1)
        "#,
        document_id
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    if documents == 0 {
        return Ok(None);
    }
    let (texts, events) = redact_append_only_rows(conn, document_id).await?;
    sqlx::query!("DELETE FROM annotations WHERE document_id = $1", document_id).execute(&mut *conn).await?;
    sqlx::query!("DELETE FROM extractions WHERE document_id = $1", document_id).execute(&mut *conn).await?;
    sqlx::query!("DELETE FROM extraction_history WHERE document_id = $1", document_id).execute(&mut *conn).await?;
    near_duplicates::delete(conn, document_id).await?;
    // a quarantined task is kept verbatim, and may be a version of this document in any project
    sqlx::query!(
        "UPDATE import_quarantine q SET task = NULL FROM documents d WHERE d.id = $1 AND q.task_id = d.task_id AND q.task IS NOT NULL",
        document_id
    )
    .execute(conn)
    .await?;
    let count = |rows| i32::try_from(rows).unwrap_or(i32::MAX);
    Ok(Some(Redacted { position, texts: count(texts), events: count(events) }))
}

/// Redacts texts, details and events. Returns the numbers of texts and events.
async fn redact_append_only_rows(conn: &mut PgConnection, document_id: Uuid) -> Result<(u64, u64), sqlx::Error> {
    // the triggers of the append-only tables allow updates of the document in this setting, which ends with the transaction at the latest
    sqlx::query_scalar!("SELECT set_config('aprendiz.erasing', $1::text, true)", document_id.to_string()).fetch_one(&mut *conn).await?;
    let texts =
        sqlx::query!("UPDATE document_texts SET text = '' WHERE document_id = $1", document_id).execute(&mut *conn).await?.rows_affected();
    sqlx::query!("UPDATE document_details SET file_name = NULL, metadata = '{}' WHERE document_id = $1", document_id)
        .execute(&mut *conn)
        .await?;
    let events = sqlx::query!(
        "UPDATE annotation_events SET value = '{}', spans = NULL, note = NULL, erased = true WHERE document_id = $1",
        document_id
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    sqlx::query_scalar!("SELECT set_config('aprendiz.erasing', '', true)").fetch_one(conn).await?;
    Ok((texts, events))
}
