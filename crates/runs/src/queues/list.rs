//! Queues as operators see them: settings, and the runs that wait and run.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::error::RunsError;

/// Upper limit of the count of waiting runs.
const MAX_COUNT: i64 = 100_000;

/// A named queue of runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct QueueInfo {
    /// Name of the queue.
    pub name: String,
    /// Share of the running runs among queues with waiting runs: the queue with the fewest running runs per weight goes first.
    pub weight: i32,
    /// Greatest number of runs of the queue that run at the same time; null = no limit, 0 = none starts.
    pub max_running: Option<i32>,
    /// The same for the runs of one model name.
    pub max_running_per_model: Option<i32>,
    /// Number of runs that are running or being cancelled.
    pub running: i64,
    /// Number of waiting runs, scheduled ones included; counted up to 100,000.
    pub waiting: i64,
    /// When it was changed last.
    pub changed_at: DateTime<Utc>,
    /// Who changed it last; null = it was created with the installation.
    pub changed_by: Option<String>,
}

/// Lists all queues, by name.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list_queues(conn: &mut PgConnection) -> Result<Vec<QueueInfo>, RunsError> {
    select(conn, None).await
}

/// Reads one queue.
///
/// # Errors
/// [`RunsError::UnknownQueue`].
pub async fn get_queue(conn: &mut PgConnection, name: &str) -> Result<QueueInfo, RunsError> {
    select(conn, Some(name)).await?.pop().ok_or_else(|| RunsError::UnknownQueue { name: name.to_owned(), known: Vec::new() })
}

async fn select(conn: &mut PgConnection, name: Option<&str>) -> Result<Vec<QueueInfo>, RunsError> {
    let queues = sqlx::query_as!(
        QueueInfo,
        r#"
        SELECT q.name, q.weight, q.max_running, q.max_running_per_model,
            (SELECT count(*) FROM training_runs r WHERE r.status IN ('running', 'cancelling') AND r.queue = q.name) AS "running!",
            (SELECT count(*) FROM (
                SELECT FROM training_runs r WHERE r.status IN ('queued', 'retrying') AND r.queue = q.name LIMIT $2
            ) AS found) AS "waiting!",
            q.changed_at, q.changed_by
        FROM queues q
        WHERE $1::text IS NULL OR q.name = $1
        ORDER BY q.name
        "#,
        name,
        MAX_COUNT
    )
    .fetch_all(conn)
    .await?;
    Ok(queues)
}

/// Checks that a queue exists; the error lists those that do.
pub(crate) async fn ensure_queue(conn: &mut PgConnection, name: &str) -> Result<(), RunsError> {
    let known = sqlx::query_scalar!("SELECT name FROM queues ORDER BY name").fetch_all(conn).await?;
    if known.iter().any(|known| known == name) { Ok(()) } else { Err(RunsError::UnknownQueue { name: name.to_owned(), known }) }
}
