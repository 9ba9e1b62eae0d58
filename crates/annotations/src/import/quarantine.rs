//! Quarantined tasks of an import, to be inspected, repaired and imported again.

use aprendiz_db::ensure_one_row;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

/// A quarantined task of an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct QuarantineEntry {
    /// Index of the task in the file, from 0.
    pub task_index: i64,
    /// Id of the task, if it could be read.
    pub task_id: Option<String>,
    /// Why it was rejected, and how to repair it.
    pub reason: String,
    /// Whether the JSON of the task is kept; that of large tasks is not.
    pub is_kept: bool,
}

/// Returns the quarantined tasks of an import after an index in its file, ordered by index.
///
/// # Errors
/// If Postgres is unavailable.
pub async fn quarantined_tasks(conn: &mut PgConnection, import: Uuid, after: i64, limit: i64) -> Result<Vec<QuarantineEntry>, sqlx::Error> {
    sqlx::query_as!(
        QuarantineEntry,
        r#"
        SELECT task_index, task_id, reason, task IS NOT NULL AS "is_kept!"
        FROM import_quarantine
        WHERE import_id = $1 AND task_index > $2
        ORDER BY task_index
        LIMIT $3
        "#,
        import,
        after,
        limit,
    )
    .fetch_all(conn)
    .await
}

/// Records that an import retried the quarantined tasks of another one, in the transaction of the retry.
///
/// # Errors
/// If Postgres is unavailable, or the import does not exist.
pub async fn record_retry(conn: &mut PgConnection, import: Uuid, retry_of: Uuid) -> Result<(), sqlx::Error> {
    let recorded = sqlx::query!("UPDATE imports SET retry_of = $2 WHERE id = $1", import, retry_of).execute(conn).await?;
    ensure_one_row(&recorded, || sqlx::Error::RowNotFound)
}

/// Returns the kept quarantined tasks of an import as an export file, to be repaired and imported again. It has at most about 8 MiB, the
/// limit of what is kept per import.
///
/// # Errors
/// If Postgres is unavailable.
pub async fn quarantined_file(conn: &mut PgConnection, import: Uuid) -> Result<Vec<u8>, sqlx::Error> {
    let tasks = sqlx::query_scalar!(
        r#"SELECT task AS "task!" FROM import_quarantine WHERE import_id = $1 AND task IS NOT NULL ORDER BY task_index"#,
        import
    )
    .fetch_all(conn)
    .await?;
    let mut file = vec![b'['];
    for (index, task) in tasks.iter().enumerate() {
        file.extend_from_slice(if index > 0 { b",\n" } else { b"\n" });
        file.extend_from_slice(task.as_bytes());
    }
    file.extend_from_slice(b"\n]\n");
    Ok(file)
}
