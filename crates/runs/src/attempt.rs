//! Attempts: one execution of a run by one worker, and its name.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::error::RunsError;
use crate::ids::{RunId, WorkerId};
use crate::status::AttemptStatus;

/// Names one attempt. Every write of a worker carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AttemptKey {
    /// The run.
    pub run_id: RunId,
    /// Number of the attempt, from 1.
    pub number: i32,
}

/// One execution of a run by one worker.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Attempt {
    /// From 1.
    pub number: i32,
    /// Who executed it.
    pub worker_id: WorkerId,
    /// Host of the worker.
    pub host: String,
    /// Vector instructions of its arithmetic.
    pub cpu_kernel: String,
    /// How it goes or ended.
    pub status: AttemptStatus,
    /// Until when the worker owns the run.
    pub lease_expires_at: DateTime<Utc>,
    /// Last sign of life.
    pub heartbeat_at: DateTime<Utc>,
    /// Claim.
    pub started_at: DateTime<Utc>,
    /// End.
    pub finished_at: Option<DateTime<Utc>>,
    /// Step of the checkpoint that training continued from; null = from the beginning.
    pub resumed_from_step: Option<i64>,
    /// Short failure code.
    pub error_code: Option<String>,
    /// Failure in words.
    pub error_text: Option<String>,
}

/// Attempts of a run, oldest first.
///
/// # Errors
/// When Postgres does not answer.
pub async fn attempts_of(conn: &mut PgConnection, run_id: RunId) -> Result<Vec<Attempt>, RunsError> {
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

/// Whether this very attempt has ended its run with success.
///
/// # Errors
/// When Postgres does not answer.
pub async fn has_succeeded(conn: &mut PgConnection, key: AttemptKey) -> Result<bool, RunsError> {
    let succeeded = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM attempts WHERE run_id = $1 AND number = $2 AND status = 'succeeded') AS "succeeded!""#,
        key.run_id as RunId,
        key.number
    )
    .fetch_one(conn)
    .await?;
    Ok(succeeded)
}
