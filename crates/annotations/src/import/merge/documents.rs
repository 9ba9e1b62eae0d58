//! Documents and the versions of their texts and details.

use sqlx::{PgConnection, Row};

/// Number of documents of a file by kind of change.
pub(in crate::import) struct DocumentCounts {
    pub(in crate::import) created: i64,
    pub(super) updated: i64,
    /// Withdrawn before with their imports.
    pub(super) restored: i64,
    pub(super) unchanged: i64,
}

/// Finds the document of each task and what changes about it.
pub(in crate::import) async fn find_targets(conn: &mut PgConnection, source: &str) -> Result<DocumentCounts, sqlx::Error> {
    sqlx::query(
        "INSERT INTO targets (task_index, document_id, project, is_new, returns, text_changed, details_changed, changed)
         SELECT c.task_index, c.document_id, c.project, c.is_new, c.returns, c.text_changed, c.details_changed, c.text_changed OR c.details_changed
         FROM (
             SELECT s.task_index, coalesce(d.id, s.id) AS document_id, s.project, d.id IS NULL AS is_new,
                    d.withdrawn_at IS NOT NULL AS returns,
                    -- the text of a withdrawn document arrives anew
                    d.id IS NOT NULL AND (d.checksum <> s.checksum OR d.withdrawn_at IS NOT NULL) AS text_changed,
                    d.id IS NOT NULL AND (d.file_name IS DISTINCT FROM s.file_name OR d.metadata <> s.metadata) AS details_changed
             FROM staged_tasks s
             LEFT JOIN documents d ON d.source = $1 AND d.project = s.project AND d.task_id = s.task_id
         ) c
         ORDER BY c.task_index",
    )
    .bind(source)
    .execute(&mut *conn)
    .await?;
    sqlx::raw_sql("ANALYZE targets").execute(&mut *conn).await?;
    let counts = sqlx::query(
        "SELECT count(*) FILTER (WHERE is_new) AS created, count(*) FILTER (WHERE changed AND NOT returns) AS updated,
                count(*) FILTER (WHERE returns) AS restored,
                count(*) FILTER (WHERE NOT is_new AND NOT changed) AS unchanged
         FROM targets",
    )
    .fetch_one(conn)
    .await?;
    Ok(DocumentCounts {
        created: counts.try_get("created")?,
        updated: counts.try_get("updated")?,
        restored: counts.try_get("restored")?,
        unchanged: counts.try_get("unchanged")?,
    })
}

/// Creates new documents and updates changed ones.
pub(in crate::import) async fn upsert(conn: &mut PgConnection, source: &str) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO documents (id, source, project, task_id, file_name, checksum, metadata)
         SELECT t.document_id, $1, s.project, s.task_id, s.file_name, s.checksum, s.metadata
         FROM targets t
         JOIN staged_tasks s USING (task_index)
         WHERE t.is_new
         ORDER BY t.task_index",
    )
    .bind(source)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "UPDATE documents d
         SET file_name = s.file_name, checksum = s.checksum, metadata = s.metadata, withdrawn_at = NULL, updated_at = clock_timestamp()
         FROM targets t
         JOIN staged_tasks s USING (task_index)
         WHERE t.changed AND d.id = t.document_id",
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Inserts a version of every new or changed text. Texts precede the events about them in the order of positions.
pub(in crate::import) async fn insert_texts(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO document_texts (document_id, version, text, sha256, position)
         SELECT n.document_id, n.version, n.text, n.checksum, nextval('positions')
         FROM (
             SELECT t.document_id, s.checksum, x.text,
                    1 + coalesce((SELECT max(v.version) FROM document_texts v WHERE v.document_id = t.document_id), 0) AS version
             FROM targets t
             JOIN staged_tasks s USING (task_index)
             JOIN staged_texts x USING (task_index)
             WHERE t.is_new OR t.text_changed
             ORDER BY t.task_index
         ) n",
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Inserts a version of every new or changed pair of file name and metadata.
pub(in crate::import) async fn insert_details(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO document_details (document_id, version, file_name, content_type, metadata, position)
         SELECT n.document_id, n.version, n.file_name, n.content_type, n.metadata, nextval('positions')
         FROM (
             SELECT d.id AS document_id, d.file_name, d.content_type, d.metadata,
                    1 + coalesce((SELECT max(v.version) FROM document_details v WHERE v.document_id = d.id), 0) AS version
             FROM targets t
             JOIN documents d ON d.id = t.document_id
             WHERE t.is_new OR t.details_changed
             ORDER BY t.task_index
         ) n",
    )
    .execute(conn)
    .await?;
    Ok(())
}
