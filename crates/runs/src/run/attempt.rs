//! Attempts: executions of a run by a worker.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::error::RunsError;
use crate::ids::{RunId, WorkerId};
use crate::run::status::AttemptStatus;

/// Identifies an attempt. Every write of a worker carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AttemptId {
    /// The run.
    pub run_id: RunId,
    /// Number of the attempt, from 1.
    pub number: i32,
}

impl AttemptId {
    /// The error of an attempt that no longer owns its run.
    pub(crate) const fn lease_lost(self) -> RunsError {
        RunsError::LeaseLost { run_id: self.run_id, number: self.number }
    }
}

/// Why an attempt failed, decided at the line that understands the error.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Short, stable code.
    pub code: String,
    /// Description for people: what failed, and the way out.
    pub text: String,
    /// Whether another attempt may succeed.
    pub retryable: bool,
}

/// One execution of a run by one worker.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Attempt {
    /// Number of the attempt, from 1.
    pub number: i32,
    /// The worker that executes it.
    pub worker_id: WorkerId,
    /// Host of the worker.
    pub host: String,
    /// CPU kernel (vector instructions) of the worker.
    pub cpu_kernel: String,
    /// Status of the attempt.
    pub status: AttemptStatus,
    /// The worker owns the run until this time.
    pub lease_expires_at: DateTime<Utc>,
    /// Last heartbeat.
    pub heartbeat_at: DateTime<Utc>,
    /// When it was claimed.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Step of the checkpoint from which training resumed; null = from the start.
    pub resumed_from_step: Option<i64>,
    /// Error code of the failure.
    pub error_code: Option<String>,
    /// Description of the failure.
    pub error_text: Option<String>,
}

/// Lists the attempts of a run, oldest first.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list_attempts(conn: &mut PgConnection, run_id: RunId) -> Result<Vec<Attempt>, RunsError> {
    let attempts = sqlx::query_as!(
        Attempt,
        r#"
        SELECT a.number, a.worker_id AS "worker_id: WorkerId", w.host, w.cpu_kernel, a.status AS "status: AttemptStatus",
            a.lease_expires_at, a.heartbeat_at, a.started_at, a.finished_at, a.resumed_from_step, a.error_code, a.error_text
        FROM attempts a
        JOIN workers w ON w.id = a.worker_id
        WHERE a.run_id = $1
        ORDER BY a.number
        "#,
        run_id as RunId
    )
    .fetch_all(conn)
    .await?;
    Ok(attempts)
}

/// Whether this attempt completed its run.
///
/// # Errors
/// When Postgres does not answer.
pub async fn has_succeeded(conn: &mut PgConnection, attempt: AttemptId) -> Result<bool, RunsError> {
    let succeeded = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM attempts WHERE run_id = $1 AND number = $2 AND status = 'succeeded') AS "succeeded!""#,
        attempt.run_id as RunId,
        attempt.number
    )
    .fetch_one(conn)
    .await?;
    Ok(succeeded)
}
