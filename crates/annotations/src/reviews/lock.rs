//! Locks and checks the document of a review.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::reviews::error::ReviewError;

/// Locks the key of the document row. This serializes with erasure: whichever transaction locks the document first wins; a later erasure
/// redacts what this review wrote, and a later review sees the erasure in its next statement.
pub(super) async fn lock_document(conn: &mut PgConnection, document: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!("SELECT id FROM documents WHERE id = $1 FOR KEY SHARE", document).fetch_optional(conn).await?;
    Ok(())
}

/// Fails if the document is unknown or erased.
pub(super) async fn check_document(conn: &mut PgConnection, document: Uuid) -> Result<(), ReviewError> {
    let row = sqlx::query!(
        r#"
        SELECT e.erased_at AS "erased_at?"
        FROM documents d
        LEFT JOIN erasures e ON e.document_id = d.id
        WHERE d.id = $1
        "#,
        document
    )
    .fetch_optional(conn)
    .await?;
    match row {
        None => Err(ReviewError::UnknownDocument(document)),
        Some(row) => row.erased_at.map_or(Ok(()), |erased_at| Err(ReviewError::Erased { document, erased_at })),
    }
}
