//! Reads versions of texts.

use std::collections::HashMap;

use sqlx::PgConnection;
use uuid::Uuid;

/// Loads one version of the text of each document, by document id. Both slices have the same length.
pub(crate) async fn load_texts(conn: &mut PgConnection, ids: &[Uuid], versions: &[i32]) -> Result<HashMap<Uuid, String>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        SELECT t.document_id, t.text
        FROM unnest($1::uuid[], $2::int[]) AS wanted (id, version)
        JOIN document_texts t ON t.document_id = wanted.id AND t.version = wanted.version
        "#,
        ids,
        versions,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.document_id, row.text)).collect())
}
