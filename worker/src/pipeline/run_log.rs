//! Log events of a run.

use aprendiz_db::Database;
use aprendiz_runs::{AttemptId, EventKind, record_attempt_event};
use serde_json::Value;
use uuid::Uuid;

use crate::interruption::Interruption;
use crate::retry::{in_transaction, retry_on_outage};

/// Appends a log event exactly once, also when Postgres is unreachable in between.
pub(crate) async fn record_log(database: &Database, attempt: AttemptId, event: &Value) -> Result<(), Interruption> {
    let id = Uuid::now_v7();
    Ok(retry_on_outage!(in_transaction!(database, tx => record_attempt_event(&mut tx, attempt, id, EventKind::Log, event)))?)
}
