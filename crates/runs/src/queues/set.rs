//! Creates and changes queues.

use aprendiz_run_spec::QueueName;
use serde_json::json;
use sqlx::{Acquire as _, PgConnection};

use crate::access::audit::record_audit;
use crate::error::RunsError;
use crate::queues::capacity::wake_queue;
use crate::queues::list::{QueueInfo, get_queue};

/// A change of a queue. What is `None` keeps its value, or has the default in a new queue: weight 1 and no limits.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct QueueChange {
    /// Share of the running runs among queues with waiting runs, 1 to 1000.
    pub weight: Option<i32>,
    /// Greatest number of runs that run at the same time; `Some(None)` = no limit.
    pub max_running: Option<Option<i32>>,
    /// The same for the runs of one model name.
    pub max_running_per_model: Option<Option<i32>>,
}

/// Creates a queue, or changes one. Limits apply to claims that begin afterwards; running runs go on.
///
/// # Errors
/// When Postgres does not answer, or a number is out of range.
pub async fn set_queue(conn: &mut PgConnection, name: &QueueName, change: QueueChange, actor: &str) -> Result<QueueInfo, RunsError> {
    let mut tx = conn.begin().await?;
    let QueueChange { weight, max_running, max_running_per_model } = change;
    sqlx::query!(
        r#"
        INSERT INTO queues AS q (name, weight, max_running, max_running_per_model, changed_by)
        VALUES ($1, coalesce($2, 1), $4, $6, $7)
        ON CONFLICT (name) DO UPDATE
        SET weight = coalesce($2, q.weight),
            max_running = CASE WHEN $3 THEN $4 ELSE q.max_running END,
            max_running_per_model = CASE WHEN $5 THEN $6 ELSE q.max_running_per_model END,
            changed_at = clock_timestamp(),
            changed_by = $7
        "#,
        name.as_str(),
        weight,
        max_running.is_some(),
        max_running.flatten(),
        max_running_per_model.is_some(),
        max_running_per_model.flatten(),
        actor
    )
    .execute(&mut *tx)
    .await?;
    let queue = get_queue(&mut tx, name.as_str()).await?;
    let details = json!({ "weight": queue.weight, "max_running": queue.max_running, "max_running_per_model": queue.max_running_per_model });
    record_audit(&mut tx, actor, "queue.set", name.as_str(), &details).await?;
    wake_queue(&mut tx, name.as_str()).await?;
    tx.commit().await?;
    Ok(queue)
}
