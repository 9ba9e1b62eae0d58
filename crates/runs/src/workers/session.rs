//! The life of a worker process: registration, heartbeat, stop.

use aprendiz_run_spec::{RunKind, WorkerLabels};
use sqlx::PgConnection;

use crate::error::RunsError;
use crate::ids::WorkerId;

/// A worker to be registered at start-up.
#[derive(Debug)]
pub struct NewWorker<'a> {
    /// A new id for every start.
    pub id: WorkerId,
    /// Host name.
    pub host: &'a str,
    /// Process id on that host.
    pub pid: i32,
    /// Version of the binary.
    pub version: &'a str,
    /// Number of runs it executes concurrently.
    pub slots: i32,
    /// Run kinds it supports.
    pub kinds: &'a [RunKind],
    /// Compute backend.
    pub backend: &'a str,
    /// CPU kernel (vector instructions) in use.
    pub cpu_kernel: &'a str,
    /// Memory limit in bytes, if known.
    pub memory_bytes: Option<i64>,
    /// Labels of its host, and the backends of its build.
    pub labels: &'a WorkerLabels,
}

/// What an operator requested of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerCommand {
    /// Continue.
    Continue,
    /// Claim no more runs, finish the running ones, then exit.
    Drain,
    /// Claim no more runs, release the running ones, then exit.
    ReleaseRuns,
}

/// What a worker reports with every heartbeat.
#[derive(Debug, Clone, Default)]
pub struct WorkerReport {
    /// Whether it receives wake-ups.
    pub listening: bool,
    /// Free space of the file system of its scratch folder in bytes, if known.
    pub scratch_free_bytes: Option<i64>,
    /// Base models on its host, by name.
    pub base_models: Vec<String>,
}

/// Registers a worker.
///
/// # Errors
/// When Postgres does not answer.
pub async fn register_worker(conn: &mut PgConnection, worker: &NewWorker<'_>) -> Result<(), RunsError> {
    sqlx::query!(
        r#"
        INSERT INTO workers (id, host, pid, version, slots, kinds, backend, cpu_kernel, memory_bytes, labels)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        "#,
        worker.id as WorkerId,
        worker.host,
        worker.pid,
        worker.version,
        worker.slots,
        worker.kinds as &[RunKind],
        worker.backend,
        worker.cpu_kernel,
        worker.memory_bytes,
        &worker.labels.to_strings()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Records a heartbeat and what the worker reports. Returns what an operator requested.
///
/// # Errors
/// When Postgres does not answer, or the worker is not registered.
pub async fn heartbeat_worker(conn: &mut PgConnection, id: WorkerId, report: &WorkerReport) -> Result<WorkerCommand, RunsError> {
    let request = sqlx::query!(
        r#"
        UPDATE workers
        SET heartbeat_at = clock_timestamp(), listening = $2, scratch_free_bytes = $3, base_models = $4
        WHERE id = $1
        RETURNING drain_requested_at IS NOT NULL AS "drain!", drain_release_runs
        "#,
        id as WorkerId,
        report.listening,
        report.scratch_free_bytes,
        &report.base_models
    )
    .fetch_one(conn)
    .await?;
    Ok(match request {
        request if request.drain && request.drain_release_runs => WorkerCommand::ReleaseRuns,
        request if request.drain => WorkerCommand::Drain,
        _ => WorkerCommand::Continue,
    })
}

/// Records that the worker shut down cleanly.
///
/// # Errors
/// When Postgres does not answer.
pub async fn stop_worker(conn: &mut PgConnection, id: WorkerId) -> Result<(), RunsError> {
    sqlx::query!(
        "UPDATE workers SET heartbeat_at = clock_timestamp(), stopped_at = clock_timestamp(), listening = false WHERE id = $1",
        id as WorkerId
    )
    .execute(conn)
    .await?;
    Ok(())
}
