//! Queries of erasures.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::erasure::types::{ErasedText, Erasure};
use crate::error::AnnotationsError;

/// Returns the erasure of a document; `None` if it was not erased.
///
/// # Errors
/// When Postgres is unavailable.
pub async fn get_erasure(conn: &mut PgConnection, document_id: Uuid) -> Result<Option<Erasure>, AnnotationsError> {
    let erasure = sqlx::query_as!(
        Erasure,
        r#"
        SELECT document_id, actor, reason, position, texts, events, datasets, erased_at,
            (SELECT d.source || '/' || d.project || '/' || d.task_id FROM documents d WHERE d.id = e.document_id) AS "document!"
        FROM erasures e
        WHERE document_id = $1
        "#,
        document_id
    )
    .fetch_optional(conn)
    .await?;
    Ok(erasure)
}

/// Returns the hashes of all versions of the text of a document. An erasure keeps them.
///
/// # Errors
/// When Postgres is unavailable.
pub async fn text_hashes(conn: &mut PgConnection, document_id: Uuid) -> Result<Vec<ErasedText>, AnnotationsError> {
    let texts =
        sqlx::query_as!(ErasedText, "SELECT version, sha256 FROM document_texts WHERE document_id = $1 ORDER BY version", document_id)
            .fetch_all(conn)
            .await?;
    Ok(texts)
}

/// Returns those of the documents that were erased.
///
/// # Errors
/// When Postgres is unavailable.
pub async fn erased_documents(conn: &mut PgConnection, documents: &[Uuid]) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!("SELECT document_id FROM erasures WHERE document_id = ANY($1)", documents).fetch_all(conn).await
}
