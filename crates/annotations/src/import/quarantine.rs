//! Tasks that an import could not take in: to be looked at, repaired, and imported again.

use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

/// A task that was not taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct QuarantinedTask {
    /// Place in the file, from 0.
    pub task_index: i64,
    /// Its id, where it has one.
    pub task_id: Option<String>,
    /// Why, and what would be right.
    pub reason: String,
    /// Whether the task itself is kept: small ones are.
    pub is_kept: bool,
}

/// Quarantined tasks of an import after a place in its file, in their order.
///
/// # Errors
/// When Postgres does not answer.
pub async fn quarantined_tasks(conn: &mut PgConnection, import: Uuid, after: i64, limit: i64) -> Result<Vec<QuarantinedTask>, sqlx::Error> {
    sqlx::query_as!(
        QuarantinedTask,
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

/// The quarantined tasks of an import that are kept, as an export file of their own: to be repaired, and imported again. At most some
/// 8 MiB, which is what is kept of an import.
///
/// # Errors
/// When Postgres does not answer.
pub async fn quarantined_file(conn: &mut PgConnection, import: Uuid) -> Result<Vec<u8>, sqlx::Error> {
    let tasks = sqlx::query_scalar!(
        r#"SELECT task AS "task!" FROM import_quarantine WHERE import_id = $1 AND task IS NOT NULL ORDER BY task_index"#,
        import
    )
    .fetch_all(conn)
    .await?;
    let mut file = vec![b'['];
    for (place, task) in tasks.iter().enumerate() {
        file.extend_from_slice(if place > 0 { b",\n" } else { b"\n" });
        file.extend_from_slice(task.as_bytes());
    }
    file.extend_from_slice(b"\n]\n");
    Ok(file)
}
