//! Draining of workers.

use serde_json::json;
use sqlx::{Acquire as _, PgConnection};

use crate::access::audit::record_audit;
use crate::error::RunsError;
use crate::ids::WorkerId;
use crate::workers::list::{WorkerInfo, get_worker};

/// Requests that a worker claims no more runs and exits once it has none. With `release_runs` it releases its running runs, with a
/// checkpoint, instead of finishing them. Repeating the request changes nothing, except that `release_runs` can be added.
///
/// # Errors
/// [`RunsError::UnknownWorker`], [`RunsError::WorkerStopped`].
pub async fn request_drain(conn: &mut PgConnection, id: WorkerId, release_runs: bool, actor: &str) -> Result<WorkerInfo, RunsError> {
    let mut tx = conn.begin().await?;
    let changed = sqlx::query!(
        r#"
        UPDATE workers
        SET drain_requested_at = coalesce(drain_requested_at, clock_timestamp()),
            drain_requested_by = coalesce(drain_requested_by, $3),
            drain_release_runs = drain_release_runs OR $2
        WHERE id = $1 AND stopped_at IS NULL AND (drain_requested_at IS NULL OR ($2 AND NOT drain_release_runs))
        "#,
        id as WorkerId,
        release_runs,
        actor
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    if changed == 1 {
        record_audit(&mut tx, actor, "worker.drain", &id.to_string(), &json!({ "release_runs": release_runs })).await?;
    }
    let worker = get_worker(&mut tx, id).await?;
    if worker.stopped_at.is_some() {
        return Err(RunsError::WorkerStopped(id));
    }
    tx.commit().await?;
    Ok(worker)
}
