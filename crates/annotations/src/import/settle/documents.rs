//! Documents, their texts and their splits.

use sqlx::{PgConnection, Row};

use crate::import::error::ImportError;
use crate::import::report::Quarantined;
use crate::import::tasks::{Outcome, Refused};
use crate::near_duplicates::{self, Texts};
use crate::split::SplitRatios;

/// Documents of a file by what became of them.
pub(in crate::import) struct DocumentCounts {
    pub(in crate::import) created: i64,
    pub(super) updated: i64,
    pub(super) unchanged: i64,
}

/// Of tasks with the same id only the first goes in. Found here, because a set of all ids would not keep memory flat.
pub(super) async fn quarantine_repeated(conn: &mut PgConnection, limit: usize, outcome: &mut Outcome) -> Result<(), sqlx::Error> {
    let repeated = sqlx::query(
        "WITH repeated AS (
             SELECT task_index, first_value(task_index) OVER same_id AS first, row_number() OVER same_id AS number
             FROM staged_tasks
             WINDOW same_id AS (PARTITION BY project, task_id ORDER BY task_index)
         ), gone AS (
             DELETE FROM staged_tasks t
             USING repeated r
             WHERE r.task_index = t.task_index AND r.number > 1
             RETURNING t.task_index, t.task_id, r.first
         )
         SELECT task_index, task_id, first, count(*) OVER () AS total
         FROM gone
         ORDER BY task_index
         LIMIT $1",
    )
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(conn)
    .await?;
    for row in &repeated {
        let first: i64 = row.try_get("first")?;
        let task = Quarantined {
            task_index: row.try_get::<i64, _>("task_index")?.unsigned_abs(),
            task_id: row.try_get("task_id")?,
            reason: format!("task {first} (from 0) of the same file has the same id and was taken"),
        };
        outcome.quarantined_tasks.push(Refused { task, json: None });
    }
    if let Some(row) = repeated.first() {
        outcome.quarantined += row.try_get::<i64, _>("total")?.unsigned_abs();
    }
    outcome.quarantined_tasks.sort_by_key(|refused| refused.task.task_index);
    outcome.quarantined_tasks.truncate(limit);
    Ok(())
}

/// What was erased never comes back by an old export.
pub(super) async fn quarantine_erased(
    conn: &mut PgConnection,
    source: &str,
    limit: usize,
    outcome: &mut Outcome,
) -> Result<(), sqlx::Error> {
    let erased = sqlx::query(
        "WITH gone AS (
             DELETE FROM staged_tasks t
             USING documents d
             JOIN erasures e ON e.document_id = d.id
             WHERE d.source = $1 AND d.project = t.project AND d.task_id = t.task_id
             RETURNING t.task_index, t.task_id, e.erased_at
         )
         SELECT task_index, task_id, to_char(erased_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day, count(*) OVER () AS total
         FROM gone
         ORDER BY task_index
         LIMIT $2",
    )
    .bind(source)
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(conn)
    .await?;
    for row in &erased {
        let day: String = row.try_get("day")?;
        let task = Quarantined {
            task_index: row.try_get::<i64, _>("task_index")?.unsigned_abs(),
            task_id: row.try_get("task_id")?,
            reason: format!("erased on {day}: the document stays away for ever"),
        };
        outcome.quarantined_tasks.push(Refused { task, json: None });
    }
    if let Some(row) = erased.first() {
        outcome.quarantined += row.try_get::<i64, _>("total")?.unsigned_abs();
    }
    outcome.quarantined_tasks.sort_by_key(|refused| refused.task.task_index);
    outcome.quarantined_tasks.truncate(limit);
    Ok(())
}

/// Refuses when a document was erased after [`quarantine_erased`] had looked. The position lock must be held: an erasure holds it
/// until it has committed, so it is either seen here or comes after this import and erases its content too.
pub(in crate::import) async fn refuse_erased(conn: &mut PgConnection) -> Result<(), ImportError> {
    let erased: Option<String> = sqlx::query_scalar(
        "SELECT d.source || '/' || d.project || '/' || d.task_id
         FROM erasures e
         JOIN targets t ON t.document_id = e.document_id
         JOIN documents d ON d.id = e.document_id
         LIMIT 1",
    )
    .fetch_optional(conn)
    .await?;
    match erased {
        Some(document) => Err(ImportError::Erased { document }),
        None => Ok(()),
    }
}

/// Finds out which documents are there already and what changes about them.
pub(in crate::import) async fn find_targets(conn: &mut PgConnection, source: &str) -> Result<DocumentCounts, sqlx::Error> {
    sqlx::query(
        "INSERT INTO targets (task_index, document_id, project, is_new, text_changed, details_changed, changed)
         SELECT c.task_index, c.document_id, c.project, c.is_new, c.text_changed, c.details_changed, c.text_changed OR c.details_changed
         FROM (
             SELECT s.task_index, coalesce(d.id, s.id) AS document_id, s.project, d.id IS NULL AS is_new,
                    d.id IS NOT NULL AND d.checksum <> s.checksum AS text_changed,
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
        "SELECT count(*) FILTER (WHERE is_new) AS created, count(*) FILTER (WHERE changed) AS updated,
                count(*) FILTER (WHERE NOT is_new AND NOT changed) AS unchanged
         FROM targets",
    )
    .fetch_one(conn)
    .await?;
    Ok(DocumentCounts { created: counts.try_get("created")?, updated: counts.try_get("updated")?, unchanged: counts.try_get("unchanged")? })
}

/// Creates new documents and brings the others up to date.
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
         SET file_name = s.file_name, checksum = s.checksum, metadata = s.metadata, updated_at = clock_timestamp()
         FROM targets t
         JOIN staged_tasks s USING (task_index)
         WHERE t.changed AND d.id = t.document_id",
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Adds a version of every new or changed text. Texts come before the events about them in the order of positions.
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

/// Adds a version of the file name and metadata of every document that is new or has others now.
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

/// Indexes new and changed texts, and decides about the splits of the documents that have near-duplicates.
pub(in crate::import) async fn find_near_duplicates(conn: &mut PgConnection, ratios: SplitRatios) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("CREATE INDEX staged_texts_task ON staged_texts (task_index)").execute(&mut *conn).await?;
    sqlx::query(
        "INSERT INTO arriving_texts (place, document_id, version, is_new, is_newest, text_key, rate, hashes)
         SELECT t.task_index, t.document_id,
                1 + coalesce((SELECT max(v.version) FROM document_texts v WHERE v.document_id = t.document_id), 0),
                t.is_new, true, s.group_key, x.rate, x.hashes
         FROM targets t
         JOIN staged_tasks s USING (task_index)
         JOIN staged_sketches x USING (task_index)
         WHERE t.is_new OR t.text_changed
         ORDER BY t.task_index",
    )
    .execute(&mut *conn)
    .await?;
    near_duplicates::index(conn, Texts::Staged).await?;
    near_duplicates::place_kept(conn).await?;
    near_duplicates::place_new(conn, ratios).await
}

/// Gives every new document its split, for ever: what its near-duplicates decided where it has some; else that of the documents with
/// the same text; else that of the hash of its text. A text that changes later keeps its split.
pub(in crate::import) async fn insert_splits(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO document_splits (document_id, version, group_key, split, reason, position)
         SELECT n.document_id, 1, n.group_key, n.split, n.reason, nextval('positions')
         FROM (
             SELECT a.document_id,
                    CASE WHEN d.split IS NOT NULL THEN d.group_key WHEN g.splits = 1 THEN g.group_key ELSE s.group_key END AS group_key,
                    CASE WHEN d.split IS NOT NULL THEN d.split WHEN g.splits = 1 THEN g.split WHEN g.splits > 1 THEN 'excluded' ELSE coalesce(known.split, s.split) END AS split,
                    CASE WHEN d.split IS NOT NULL THEN d.reason
                         WHEN g.splits > 1 THEN 'bridge'
                         WHEN g.splits = 1 OR known.split IS NOT NULL OR row_number() OVER (PARTITION BY a.sketch_id ORDER BY a.place) > 1 THEN 'inherited'
                         ELSE 'hash' END AS reason
             FROM arrivals a
             JOIN staged_tasks s ON s.task_index = a.place
             LEFT JOIN decided_splits d USING (document_id)
             CROSS JOIN LATERAL (
                 SELECT count(DISTINCT p.split) AS splits, min(p.split) AS split,
                        (array_agg(p.group_key ORDER BY p.position))[1] AS group_key
                 FROM document_sketches k
                 CROSS JOIN LATERAL (
                     SELECT split, group_key, position
                     FROM document_splits
                     WHERE document_id = k.document_id
                     ORDER BY version DESC
                     LIMIT 1
                 ) p
                 WHERE k.sketch_id = a.sketch_id
                     AND a.is_known
                     AND d.split IS NULL
                     AND p.split <> 'excluded'
                     AND NOT EXISTS (SELECT FROM document_sketches newer WHERE newer.document_id = k.document_id AND newer.version > k.version)
             ) g
             -- the group of a text that its document does not have any more
             LEFT JOIN LATERAL (
                 SELECT p.split
                 FROM document_splits p
                 WHERE p.group_key = s.group_key AND p.split <> 'excluded'
                 ORDER BY p.position DESC
                 LIMIT 1
             ) known ON true
             WHERE a.is_new
             ORDER BY a.place
         ) n",
    )
    .execute(conn)
    .await?;
    Ok(())
}
