//! Documents of a batch: which of them nothing else contains, and the record of what happened to them.

use sqlx::PgConnection;
use uuid::Uuid;

/// Finds and locks the documents of a batch and their states.
pub(super) async fn find_targets(conn: &mut PgConnection, documents: &[Uuid]) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT count(*) FROM (SELECT FROM documents WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE) locked")
        .bind(documents)
        .execute(&mut *conn)
        .await?;
    sqlx::query(concat!(
        "INSERT INTO revert_targets (document_id, is_withdrawn)
         SELECT d.id,
                NOT EXISTS (
                    SELECT FROM document_texts t
                    WHERE t.document_id = d.id AND t.restores IS NULL AND NOT ",
        in_reverted_import!("t.position"),
        "
                )
                AND NOT EXISTS (
                    SELECT FROM import_documents k
                    WHERE k.document_id = d.id AND NOT ",
        is_reverted!("k.import_id"),
        "
                )
         FROM documents d
         WHERE d.id = ANY($1) AND NOT EXISTS (SELECT FROM erasures x WHERE x.document_id = d.id)"
    ))
    .bind(documents)
    .execute(&mut *conn)
    .await?;
    sqlx::raw_sql(
        "ANALYZE revert_targets;
         SELECT count(*)
         FROM (
             SELECT FROM annotations a
             JOIN revert_targets t USING (document_id)
             ORDER BY a.document_id, a.field
             FOR UPDATE OF a
         ) locked",
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Withdraws the documents that nothing else contains. Returns their number. The position lock must be held.
pub(super) async fn withdraw(conn: &mut PgConnection) -> Result<i64, sqlx::Error> {
    let withdrawn = sqlx::query(
        "WITH withdrawn AS (
             UPDATE documents d
             SET withdrawn_at = clock_timestamp()
             FROM revert_targets t
             WHERE t.document_id = d.id AND t.is_withdrawn AND d.withdrawn_at IS NULL
             RETURNING d.id
         ), affected AS (
             INSERT INTO revert_affected (document_id) SELECT id FROM withdrawn
         )
         INSERT INTO document_splits (document_id, version, group_key, split, reason, position)
         SELECT s.document_id, s.version + 1, s.group_key, 'excluded', 'withdrawn', nextval('positions')
         FROM withdrawn w
         CROSS JOIN LATERAL (SELECT * FROM document_splits v WHERE v.document_id = w.id ORDER BY v.version DESC LIMIT 1) s",
    )
    .execute(conn)
    .await?;
    Ok(i64::try_from(withdrawn.rows_affected()).unwrap_or(i64::MAX))
}

/// Records the effect on each document, and writes the newest text and details to `documents`. The position lock must be held.
pub(super) async fn record_effects(conn: &mut PgConnection, import: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO document_withdrawals (document_id, position, import_id, effect)
         SELECT a.document_id, nextval('positions'), $1, CASE WHEN t.is_withdrawn THEN 'withdrawn' ELSE 'changed' END
         FROM (SELECT DISTINCT document_id FROM revert_affected) a
         JOIN revert_targets t USING (document_id)",
    )
    .bind(import)
    .execute(&mut *conn)
    .await?;
    sqlx::raw_sql(
        "UPDATE documents d
         SET checksum = x.sha256, file_name = c.file_name, metadata = c.metadata, updated_at = clock_timestamp()
         FROM revert_targets t
         CROSS JOIN LATERAL (SELECT sha256 FROM document_texts v WHERE v.document_id = t.document_id ORDER BY v.version DESC LIMIT 1) x
         CROSS JOIN LATERAL (
             SELECT file_name, metadata FROM document_details v WHERE v.document_id = t.document_id ORDER BY v.version DESC LIMIT 1
         ) c
         WHERE d.id = t.document_id AND NOT t.is_withdrawn
           AND (d.checksum, d.file_name, d.metadata) IS DISTINCT FROM (x.sha256, c.file_name, c.metadata)",
    )
    .execute(conn)
    .await?;
    Ok(())
}
