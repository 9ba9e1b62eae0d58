//! The last check before anything is written: no text and no group may be in two splits.
//!
//! It catches what is exactly equal. Equal texts were grouped when the documents arrived.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::DatasetError;
use crate::selection::Selection;

const NAMED_AT_MOST: i64 = 10;

/// Errs, naming documents, when the selection holds equal texts or one group in different splits.
pub(crate) async fn check_leaks(conn: &mut PgConnection, selection: &Selection) -> Result<(), DatasetError> {
    let leaked = sqlx::query_scalar!(
        r#"
        WITH placed AS MATERIALIZED (
            SELECT d.id, s.split, s.group_key, t.sha256
            FROM documents d
            CROSS JOIN LATERAL (
                SELECT sha256 FROM document_texts
                WHERE document_id = d.id AND position <= $1
                ORDER BY version DESC
                LIMIT 1
            ) t
            CROSS JOIN LATERAL (
                SELECT split, group_key FROM document_splits
                WHERE document_id = d.id AND position <= $1
                ORDER BY version DESC
                LIMIT 1
            ) s
            WHERE ($2::uuid[] IS NULL OR d.id = ANY($2))
              AND ($3::text IS NULL OR d.source = $3)
              AND ($4::text IS NULL OR d.project = $4)
              AND s.split <> 'excluded'
        )
        SELECT id AS "id!"
        FROM placed
        WHERE sha256 IN (SELECT sha256 FROM placed GROUP BY sha256 HAVING min(split) <> max(split))
           OR group_key IN (SELECT group_key FROM placed GROUP BY group_key HAVING min(split) <> max(split))
        ORDER BY group_key COLLATE "C", id
        LIMIT $5
        "#,
        selection.position,
        selection.documents.as_deref(),
        selection.source,
        selection.project,
        NAMED_AT_MOST,
    )
    .fetch_all(conn)
    .await?;
    if leaked.is_empty() {
        return Ok(());
    }
    let documents = leaked.iter().map(Uuid::to_string).collect::<Vec<_>>().join(", ");
    Err(DatasetError::SplitLeak { documents })
}
