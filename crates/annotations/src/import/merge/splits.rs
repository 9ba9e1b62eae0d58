//! Splits of new documents.

use sqlx::PgConnection;

use crate::near_duplicates::{self, TextSource};
use crate::splits::SplitRatios;

/// Indexes new and changed texts, and decides the splits of documents with near-duplicates.
pub(in crate::import) async fn find_near_duplicates(conn: &mut PgConnection, ratios: SplitRatios) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("CREATE INDEX staged_texts_task ON staged_texts (task_index)").execute(&mut *conn).await?;
    sqlx::query(
        "INSERT INTO arriving_texts (ordinal, document_id, version, is_new, is_newest, text_key, rate, hashes)
         SELECT t.task_index, t.document_id,
                1 + coalesce((SELECT max(v.version) FROM document_texts v WHERE v.document_id = t.document_id), 0),
                t.is_new OR t.returns, true, s.group_key, x.rate, x.hashes
         FROM targets t
         JOIN staged_tasks s USING (task_index)
         JOIN staged_sketches x USING (task_index)
         WHERE t.is_new OR t.text_changed
         ORDER BY t.task_index",
    )
    .execute(&mut *conn)
    .await?;
    near_duplicates::index(conn, TextSource::Staged).await?;
    near_duplicates::exclude_bridges(conn).await?;
    near_duplicates::assign_splits(conn, ratios).await
}

/// Assigns a permanent split to every new document: the split decided by its near-duplicates, else that of documents with the same text,
/// else that of the hash of its text. A document keeps its split when its text changes later.
pub(in crate::import) async fn insert_splits(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO document_splits (document_id, version, group_key, split, reason, position)
         SELECT n.document_id, 1 + coalesce((SELECT max(v.version) FROM document_splits v WHERE v.document_id = n.document_id), 0), n.group_key,
                n.split, n.reason, nextval('positions')
         FROM (
             SELECT a.document_id,
                    CASE WHEN d.split IS NOT NULL THEN d.group_key WHEN g.splits = 1 THEN g.group_key ELSE s.group_key END AS group_key,
                    CASE WHEN d.split IS NOT NULL THEN d.split WHEN g.splits = 1 THEN g.split WHEN g.splits > 1 THEN 'excluded' ELSE coalesce(known.split, s.split) END AS split,
                    CASE WHEN d.split IS NOT NULL THEN d.reason
                         WHEN g.splits > 1 THEN 'bridge'
                         WHEN g.splits = 1 OR known.split IS NOT NULL OR row_number() OVER (PARTITION BY a.sketch_id ORDER BY a.ordinal) > 1 THEN 'inherited'
                         ELSE 'hash' END AS reason
             FROM arrivals a
             JOIN staged_tasks s ON s.task_index = a.ordinal
             LEFT JOIN decided_splits d USING (document_id)
             CROSS JOIN LATERAL (
                 SELECT count(DISTINCT p.split) AS splits, min(p.split) AS split,
                        (array_agg(p.group_key ORDER BY p.position))[1] AS group_key
                 FROM document_sketches k
                 CROSS JOIN LATERAL (
                     SELECT split, group_key, position
                     FROM document_splits
                     WHERE document_id = k.document_id AND reason <> 'archived'
                     ORDER BY version DESC
                     LIMIT 1
                 ) p
                 WHERE k.sketch_id = a.sketch_id
                     AND a.is_known
                     AND d.split IS NULL
                     AND p.split <> 'excluded'
                     AND NOT EXISTS (SELECT FROM document_sketches newer WHERE newer.document_id = k.document_id AND newer.version > k.version)
             ) g
             -- the group of a text that its document no longer has
             LEFT JOIN LATERAL (
                 SELECT p.split
                 FROM document_splits p
                 WHERE p.group_key = s.group_key AND p.split <> 'excluded'
                 ORDER BY p.position DESC
                 LIMIT 1
             ) known ON true
             WHERE a.is_new
             ORDER BY a.ordinal
         ) n",
    )
    .execute(&mut *conn)
    .await?;
    // an archived document that was withdrawn and returns stays archived
    sqlx::raw_sql(
        "INSERT INTO document_splits (document_id, version, group_key, split, reason, position)
         SELECT s.document_id, s.version + 1, s.group_key, 'excluded', 'archived', nextval('positions')
         FROM targets t
         JOIN documents d ON d.id = t.document_id AND d.archived_at IS NOT NULL
         CROSS JOIN LATERAL (SELECT * FROM document_splits v WHERE v.document_id = d.id ORDER BY v.version DESC LIMIT 1) s
         WHERE t.returns",
    )
    .execute(conn)
    .await?;
    Ok(())
}
