//! Restores earlier texts, details and splits by new versions.

use sqlx::PgConnection;

/// Common table expression `latest`: the version of a table that the latest import or person that is not reverted gave each document.
macro_rules! latest_version {
    ($table:literal, $known:literal) => {
        concat!(
            "latest AS (
             SELECT DISTINCT ON (document_id) document_id, version
             FROM (
                 SELECT x.document_id, x.version, x.position
                 FROM revert_targets t
                 JOIN ",
            $table,
            " x USING (document_id)
                 WHERE NOT t.is_withdrawn AND x.restores IS NULL AND NOT ",
            in_reverted_import!("x.position"),
            "
                 UNION ALL
                 SELECT k.document_id, k.",
            $known,
            ", i.last_position
                 FROM revert_targets t
                 JOIN import_documents k USING (document_id)
                 JOIN imports i ON i.id = k.import_id
                 WHERE NOT t.is_withdrawn AND NOT ",
            is_reverted!("k.import_id"),
            "
             ) given
             ORDER BY document_id, position DESC, version DESC
         )"
        )
    };
}

/// Restores texts that reverted imports replaced. Returns their number. The position lock must be held.
pub(super) async fn restore_texts(conn: &mut PgConnection) -> Result<i64, sqlx::Error> {
    let restored = sqlx::query(concat!(
        "WITH ",
        latest_version!("document_texts", "text_version"),
        ", changed AS (
             SELECT l.document_id, l.version, old.text, old.sha256, newest.version AS newest
             FROM latest l
             JOIN document_texts old ON old.document_id = l.document_id AND old.version = l.version
             CROSS JOIN LATERAL (
                 SELECT version, sha256 FROM document_texts v WHERE v.document_id = l.document_id ORDER BY v.version DESC LIMIT 1
             ) newest
             WHERE newest.sha256 <> old.sha256
         ), restored AS (
             INSERT INTO revert_restored (document_id) SELECT document_id FROM changed
         ), affected AS (
             INSERT INTO revert_affected (document_id) SELECT document_id FROM changed
         ), sketches AS (
             -- a text without a sketch gets one from the next backfill
             INSERT INTO document_sketches (document_id, version, sketch_id, placed)
             SELECT c.document_id, c.newest + 1, k.sketch_id, true
             FROM changed c
             JOIN document_sketches k ON k.document_id = c.document_id AND k.version = c.version
         )
         INSERT INTO document_texts (document_id, version, text, sha256, restores, position)
         SELECT document_id, newest + 1, text, sha256, version, nextval('positions')
         FROM changed"
    ))
    .execute(conn)
    .await?;
    Ok(i64::try_from(restored.rows_affected()).unwrap_or(i64::MAX))
}

/// Restores file names and metadata that reverted imports replaced. Returns their number. The position lock must be held.
pub(super) async fn restore_details(conn: &mut PgConnection) -> Result<i64, sqlx::Error> {
    let restored = sqlx::query(concat!(
        "WITH ",
        latest_version!("document_details", "details_version"),
        ", changed AS (
             SELECT l.document_id, l.version, old.file_name, old.content_type, old.metadata, newest.version AS newest
             FROM latest l
             JOIN document_details old ON old.document_id = l.document_id AND old.version = l.version
             CROSS JOIN LATERAL (SELECT * FROM document_details v WHERE v.document_id = l.document_id ORDER BY v.version DESC LIMIT 1) newest
             WHERE (newest.file_name, newest.content_type, newest.metadata) IS DISTINCT FROM (old.file_name, old.content_type, old.metadata)
         ), affected AS (
             INSERT INTO revert_affected (document_id) SELECT document_id FROM changed
         )
         INSERT INTO document_details (document_id, version, file_name, content_type, metadata, restores, position)
         SELECT document_id, newest + 1, file_name, content_type, metadata, version, nextval('positions')
         FROM changed"
    ))
    .execute(conn)
    .await?;
    Ok(i64::try_from(restored.rows_affected()).unwrap_or(i64::MAX))
}

/// Restores the splits of documents that reverted imports excluded. The position lock must be held.
pub(super) async fn restore_splits(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(concat!(
        "WITH changed AS (
             SELECT old.document_id, old.group_key, old.split, old.reason, newest.version AS newest, d.archived_at IS NOT NULL AS archived
             FROM revert_targets t
             JOIN documents d ON d.id = t.document_id
             CROSS JOIN LATERAL (SELECT version FROM document_splits v WHERE v.document_id = d.id ORDER BY v.version DESC LIMIT 1) newest
             CROSS JOIN LATERAL (
                 SELECT * FROM document_splits v WHERE v.document_id = d.id AND v.reason <> 'archived' ORDER BY v.version DESC LIMIT 1
             ) placed
             CROSS JOIN LATERAL (
                 SELECT * FROM document_splits s
                 WHERE s.document_id = d.id AND s.reason NOT IN ('archived', 'withdrawn') AND NOT ",
        in_reverted_import!("s.position"),
        "
                 ORDER BY s.version DESC
                 LIMIT 1
             ) old
             WHERE NOT t.is_withdrawn AND ",
        in_reverted_import!("placed.position"),
        "
               AND (placed.split, placed.group_key) <> (old.split, old.group_key)
         ), restored AS (
             INSERT INTO revert_restored (document_id) SELECT document_id FROM changed
         ), affected AS (
             INSERT INTO revert_affected (document_id) SELECT document_id FROM changed
         )
         INSERT INTO document_splits (document_id, version, group_key, split, reason, position)
         SELECT document_id, version, group_key, split, reason, nextval('positions')
         FROM (
             SELECT document_id, newest + 1 AS version, group_key, split, reason FROM changed
             UNION ALL
             SELECT document_id, newest + 2, group_key, 'excluded', 'archived' FROM changed WHERE archived
             ORDER BY document_id, version
         ) versions"
    ))
    .execute(conn)
    .await?;
    Ok(())
}
