//! Deletes the sketches of an erased document.

use sqlx::PgConnection;
use uuid::Uuid;

/// Deletes the sketches of a document, except those shared by another document with the same text. The lock
/// [`lock`](super::lock) must be held.
pub(crate) async fn delete(conn: &mut PgConnection, document_id: Uuid) -> Result<(), sqlx::Error> {
    let sketches = sqlx::query_scalar!("DELETE FROM document_sketches WHERE document_id = $1 RETURNING sketch_id", document_id)
        .fetch_all(&mut *conn)
        .await?;
    let orphans = sqlx::query_scalar!(
        r#"
        SELECT id
        FROM text_sketches s
        WHERE id = ANY($1) AND NOT EXISTS (SELECT FROM document_sketches k WHERE k.sketch_id = s.id)
        "#,
        &sketches
    )
    .fetch_all(&mut *conn)
    .await?;
    if orphans.is_empty() {
        return Ok(());
    }
    // pairs are stored in both directions: the index on the first column finds the reverse row, too
    sqlx::query!(
        r#"
        DELETE FROM near_duplicates other
        USING near_duplicates own
        WHERE own.sketch_id = ANY($1) AND other.sketch_id = own.other_id AND other.other_id = own.sketch_id
        "#,
        &orphans
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("DELETE FROM near_duplicates WHERE sketch_id = ANY($1)", &orphans).execute(&mut *conn).await?;
    sqlx::query!(
        r#"
        DELETE FROM sketch_hashes h
        USING (SELECT s.id, unnest(s.hashes) AS hash FROM text_sketches s WHERE s.id = ANY($1)) gone
        WHERE h.hash = gone.hash AND h.sketch_id = gone.id
        "#,
        &orphans
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("DELETE FROM text_sketches WHERE id = ANY($1)", &orphans).execute(conn).await?;
    Ok(())
}
