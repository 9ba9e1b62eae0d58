//! Explains the split of a document.

use aprendiz_db::Scope;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::AnnotationsError;
use crate::near_duplicates::explanation::{MAX_LISTED, NearDuplicate, SplitExplanation, SplitVersion};
use crate::splits::Split;

/// Explains the split of a document; `None` for an unknown id. Near-duplicates out of the scope are neither listed nor counted.
///
/// # Errors
/// When Postgres is unavailable.
pub async fn explain(conn: &mut PgConnection, scope: &Scope, id: Uuid) -> Result<Option<SplitExplanation>, AnnotationsError> {
    let document = sqlx::query!(
        r#"
        SELECT d.source, d.project, d.task_id, k.sketch_id AS "sketch_id?"
        FROM documents d
        LEFT JOIN LATERAL (SELECT max(version) AS version FROM document_texts WHERE document_id = d.id) t ON true
        LEFT JOIN document_sketches k ON k.document_id = d.id AND k.version = t.version
        WHERE d.id = $1 AND ($2::text[] IS NULL OR d.project = ANY($2))
        "#,
        id,
        scope.projects()
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(document) = document else {
        return Ok(None);
    };
    let splits = load_splits(conn, id).await?;
    let (near_duplicates, near_duplicates_total) = match document.sketch_id {
        Some(sketch) => load_near_duplicates(conn, scope, id, sketch).await?,
        None => (Vec::new(), 0),
    };
    let mut explanation = SplitExplanation {
        document_id: id,
        source: document.source,
        project: document.project,
        task_id: document.task_id,
        in_words: Vec::new(),
        splits,
        near_duplicates,
        near_duplicates_total,
        indexed: document.sketch_id.is_some(),
    };
    explanation.in_words = explanation.render();
    Ok(Some(explanation))
}

async fn load_splits(conn: &mut PgConnection, id: Uuid) -> Result<Vec<SplitVersion>, AnnotationsError> {
    let splits = sqlx::query_as!(
        SplitVersion,
        r#"
        SELECT version, split AS "split: Split", group_key, reason, position, created_at AS since
        FROM document_splits
        WHERE document_id = $1
        ORDER BY version
        "#,
        id
    )
    .fetch_all(conn)
    .await?;
    Ok(splits)
}

/// Returns the listed near-duplicates of a sketch, and their total number.
async fn load_near_duplicates(
    conn: &mut PgConnection,
    scope: &Scope,
    id: Uuid,
    sketch: i32,
) -> Result<(Vec<NearDuplicate>, i64), AnnotationsError> {
    let rows = sqlx::query!(
        r#"
        SELECT d.id, d.source, d.project, d.task_id, near.containment AS "containment!", near.sketch_id = $2 AS "equal_text!",
               s.split AS "split?: Split", s.group_key AS "group_key?", count(*) OVER () AS "total!"
        FROM (
            SELECT $2::int AS sketch_id, 1::real AS containment
            UNION ALL
            SELECT other_id, containment
            FROM near_duplicates
            WHERE sketch_id = $2
        ) near
        JOIN document_sketches k ON k.sketch_id = near.sketch_id
        JOIN documents d ON d.id = k.document_id
        LEFT JOIN LATERAL (
            SELECT split, group_key
            FROM document_splits
            WHERE document_id = d.id
            ORDER BY version DESC
            LIMIT 1
        ) s ON true
        WHERE d.id <> $1
          AND ($4::text[] IS NULL OR d.project = ANY($4))
          AND NOT EXISTS (SELECT FROM document_sketches newer WHERE newer.document_id = k.document_id AND newer.version > k.version)
        ORDER BY near.containment DESC, d.id
        LIMIT $3
        "#,
        id,
        sketch,
        MAX_LISTED,
        scope.projects(),
    )
    .fetch_all(conn)
    .await?;
    let total = rows.first().map_or(0, |row| row.total);
    let listed = rows
        .into_iter()
        .map(|row| NearDuplicate {
            document_id: row.id,
            source: row.source,
            project: row.project,
            task_id: row.task_id,
            containment: row.containment,
            equal_text: row.equal_text,
            split: row.split,
            group_key: row.group_key,
        })
        .collect();
    Ok((listed, total))
}
