//! Takes the sketches of a document away, when its content is erased.

use sqlx::PgConnection;
use uuid::Uuid;

/// Removes the sketches of a document; those that another document shares, having the same text, stay for it. The lock must be held.
pub(crate) async fn forget(conn: &mut PgConnection, document_id: Uuid) -> Result<(), sqlx::Error> {
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
    // pairs are kept in both directions: the index on the first one finds the second
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
