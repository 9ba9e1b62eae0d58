//! Log events of a run.

use aprendiz_runs::{AttemptId, EventKind, record_attempt_event};
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use crate::interruption::Interruption;
use crate::retry::retry_on_outage;

/// Appends a log event exactly once, also when Postgres is unreachable in between.
pub(crate) async fn record_log(pool: &PgPool, attempt: AttemptId, event: &Value) -> Result<(), Interruption> {
    let id = Uuid::now_v7();
    Ok(retry_on_outage!(async { record_attempt_event(&mut *pool.acquire().await?, attempt, id, EventKind::Log, event).await })?)
}
