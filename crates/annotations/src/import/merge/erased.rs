//! Quarantines tasks that occur twice or are erased.

use aprendiz_annotation_types::QuarantinedTask;
use aprendiz_label_studio::ReadSummary;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use crate::import::error::ImportError;

/// Quarantines all but the first of tasks with the same id. Done in SQL, because a set of all ids would not be bounded in memory.
pub(super) async fn quarantine_repeated(conn: &mut PgConnection, limit: usize, summary: &mut ReadSummary) -> Result<(), sqlx::Error> {
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
    add_to_summary(&repeated, limit, summary, |row| {
        let first: i64 = row.try_get("first")?;
        Ok(format!("the task at position {first} (from 0) of the same file has the same id and was imported"))
    })
}

/// Quarantines erased documents, so that an old export does not restore them.
pub(super) async fn quarantine_erased(
    conn: &mut PgConnection,
    source: &str,
    limit: usize,
    summary: &mut ReadSummary,
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
    add_to_summary(&erased, limit, summary, |row| {
        let day: String = row.try_get("day")?;
        Ok(format!("erased on {day}: the document cannot be imported again"))
    })
}

/// Fails if a document was erased after [`quarantine_erased`]. The position lock must be held: an erasure holds it until it commits, so it
/// is either visible here, or runs after this import and erases its content as well.
pub(in crate::import) async fn reject_erased(conn: &mut PgConnection) -> Result<(), ImportError> {
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

/// Adds the deleted tasks to the summary. Each row has `task_index`, `task_id` and the `total` number of deleted tasks.
pub(super) fn add_to_summary(
    rows: &[PgRow],
    limit: usize,
    summary: &mut ReadSummary,
    reason: impl Fn(&PgRow) -> Result<String, sqlx::Error>,
) -> Result<(), sqlx::Error> {
    for row in rows {
        summary.quarantined_tasks.push(QuarantinedTask {
            task_index: row.try_get::<i64, _>("task_index")?.unsigned_abs(),
            task_id: row.try_get("task_id")?,
            reason: reason(row)?,
            json: None,
        });
    }
    if let Some(row) = rows.first() {
        summary.quarantined += row.try_get::<i64, _>("total")?.unsigned_abs();
    }
    summary.quarantined_tasks.sort_by_key(|task| task.task_index);
    summary.quarantined_tasks.truncate(limit);
    Ok(())
}
