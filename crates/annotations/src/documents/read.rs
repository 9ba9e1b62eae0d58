//! Queries of documents.

use std::collections::HashMap;

use aprendiz_db::Scope;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::documents::document::{Document, DocumentText};
use crate::documents::metadata::Metadata;
use crate::error::AnnotationsError;
use crate::splits::Split;

/// Returns a document with its latest text; `None` for an unknown id.
///
/// # Errors
/// When Postgres is unavailable.
pub async fn get(conn: &mut PgConnection, id: Uuid) -> Result<Option<DocumentText>, AnnotationsError> {
    let row = sqlx::query!(
        r#"
        SELECT d.id, d.source, d.project, d.task_id, d.file_name, d.content_type, d.checksum, d.metadata AS "metadata: Metadata",
               (SELECT s.split FROM document_splits s WHERE s.document_id = d.id ORDER BY s.version DESC LIMIT 1) AS "split: Split",
               d.archived_at, d.withdrawn_at, d.created_at, d.updated_at, t.text, t.version
        FROM documents d
        JOIN LATERAL (
            SELECT x.text, x.version
            FROM document_texts x
            WHERE x.document_id = d.id
            ORDER BY x.version DESC
            LIMIT 1
        ) t ON true
        WHERE d.id = $1
        "#,
        id
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| DocumentText {
        document: Document {
            id: row.id,
            source: row.source,
            project: row.project,
            task_id: row.task_id,
            file_name: row.file_name,
            content_type: row.content_type,
            checksum: row.checksum,
            metadata: row.metadata,
            split: row.split,
            archived_at: row.archived_at,
            withdrawn_at: row.withdrawn_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        },
        text: row.text,
        text_version: row.version,
    }))
}

/// Returns those of the ids that no document of the scope has, in the given order.
///
/// # Errors
/// When Postgres is unavailable.
pub async fn unknown_ids(conn: &mut PgConnection, scope: &Scope, ids: &[Uuid]) -> Result<Vec<Uuid>, AnnotationsError> {
    let unknown = sqlx::query_scalar!(
        r#"
        SELECT given.id AS "id!"
        FROM unnest($1::uuid[]) WITH ORDINALITY AS given (id, index)
        WHERE NOT EXISTS (SELECT FROM documents d WHERE d.id = given.id AND ($2::text[] IS NULL OR d.project = ANY($2)))
        ORDER BY given.index
        "#,
        ids,
        scope.projects()
    )
    .fetch_all(conn)
    .await?;
    Ok(unknown)
}

/// Returns the name of a document, `SOURCE/PROJECT/TASK`; `None` if it does not exist. An erased document keeps its name.
///
/// # Errors
/// If Postgres is unavailable.
pub async fn document_name(conn: &mut PgConnection, id: Uuid) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT source || '/' || project || '/' || task_id AS "name!" FROM documents WHERE id = $1"#, id)
        .fetch_optional(conn)
        .await
}

/// Returns the names of documents, `SOURCE/PROJECT/TASK`, by id; unknown ids are left out. An erased document keeps its name.
///
/// # Errors
/// If Postgres is unavailable.
pub async fn document_names(conn: &mut PgConnection, ids: &[Uuid]) -> Result<HashMap<Uuid, String>, sqlx::Error> {
    let rows = sqlx::query!(r#"SELECT id, source || '/' || project || '/' || task_id AS "name!" FROM documents WHERE id = ANY($1)"#, ids)
        .fetch_all(conn)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
}
