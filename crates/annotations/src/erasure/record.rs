//! Records an erasure.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::erasure::types::{Erasure, Redacted};
use crate::error::AnnotationsError;

/// Inserts the record of an erasure and returns it. Must be the last statement about the document in its transaction.
///
/// # Errors
/// When Postgres is unavailable, or the document was erased before.
pub async fn record_erasure(
    conn: &mut PgConnection,
    document_id: Uuid,
    actor: &str,
    reason: &str,
    redacted: Redacted,
    datasets: i32,
) -> Result<Erasure, AnnotationsError> {
    let erasure = sqlx::query_as!(
        Erasure,
        r#"
        INSERT INTO erasures (document_id, actor, reason, position, texts, events, datasets)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        RETURNING document_id, actor, reason, position, texts, events, datasets, erased_at,
            (SELECT d.source || '/' || d.project || '/' || d.task_id FROM documents d WHERE d.id = $1) AS "document!"
        "#,
        document_id,
        actor,
        reason,
        redacted.position,
        redacted.texts,
        redacted.events,
        datasets,
    )
    .fetch_one(conn)
    .await?;
    Ok(erasure)
}
