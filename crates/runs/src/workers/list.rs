//! Workers as operators see them: state and current runs.

use aprendiz_run_spec::RunKind;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::error::RunsError;
use crate::ids::{RunId, WorkerId};
use crate::run::status::RunPhase;

/// A worker without a heartbeat for this long is silent. Workers send a heartbeat every 3 s.
pub(crate) const SILENT_AFTER_SECONDS: f64 = 30.0;
/// A worker without a heartbeat for this long has missed one: it may have been killed.
pub(crate) const LATE_AFTER_SECONDS: f64 = 5.0;
/// A silent worker stays in the default list for this long, so that a lost host is noticed.
const HIDDEN_AFTER_SECONDS: f64 = 3600.0;

/// State of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum WorkerState {
    /// Executes at least one run.
    Working,
    /// Has no run.
    Idle,
    /// Claims no more runs and exits once it has none.
    Draining,
    /// No heartbeat for 30 s: it hangs, or its host is lost.
    Silent,
    /// Shut down cleanly.
    Stopped,
}

impl std::fmt::Display for WorkerState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Working => "working",
            Self::Idle => "idle",
            Self::Draining => "draining",
            Self::Silent => "silent",
            Self::Stopped => "stopped",
        })
    }
}

/// A run that a worker executes.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CurrentRun {
    /// The run.
    pub run_id: RunId,
    /// Number of the attempt.
    pub attempt_number: i32,
    /// Name of the model.
    pub model: String,
    /// Current phase of the run.
    pub phase: Option<RunPhase>,
    /// When the attempt started.
    pub started_at: DateTime<Utc>,
}

/// A worker process and its current runs.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WorkerInfo {
    /// Id of the process; every start gets a new one.
    pub id: WorkerId,
    /// Host name.
    pub host: String,
    /// Process id on that host.
    pub pid: Option<i32>,
    /// Version of the binary.
    pub version: String,
    /// Number of runs it executes concurrently.
    pub slots: i32,
    /// Run kinds it supports; empty = unknown.
    pub kinds: Vec<RunKind>,
    /// Labels of its host, `NAME` or `NAME=VALUE`, and the compute backends of its build as `backend=NAME`.
    pub labels: Vec<String>,
    /// Compute backend that it uses by default.
    pub backend: String,
    /// CPU kernel (vector instructions) in use.
    pub cpu_kernel: String,
    /// Memory of its host or control group, bytes.
    pub memory_bytes: Option<i64>,
    /// Free space of the file system of its scratch folder at the last heartbeat, bytes; null = unknown.
    pub scratch_free_bytes: Option<i64>,
    /// Base models on its host at the last heartbeat, by name.
    pub base_models: Vec<String>,
    /// Whether it receives wake-ups; without them it finds runs by polling.
    pub listening: bool,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// Last heartbeat.
    pub heartbeat_at: DateTime<Utc>,
    /// When it shut down cleanly.
    pub stopped_at: Option<DateTime<Utc>>,
    /// Its state, by the database clock.
    pub state: WorkerState,
    /// When draining was requested.
    pub drain_requested_at: Option<DateTime<Utc>>,
    /// Who requested it.
    pub drain_requested_by: Option<String>,
    /// Whether it releases its running runs instead of finishing them.
    pub drain_release_runs: bool,
    /// Runs it is executing.
    pub runs: Vec<CurrentRun>,
}

/// Conditions of [`list_workers`].
#[derive(Debug, Default, Clone, Copy)]
pub struct WorkerFilter {
    /// Include stopped workers, and workers without a heartbeat for an hour.
    pub all: bool,
    /// Only workers after this one in the list: the cursor.
    pub after: Option<(DateTime<Utc>, WorkerId)>,
}

/// Lists workers, newest first.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list_workers(conn: &mut PgConnection, filter: WorkerFilter, limit: i64) -> Result<Vec<WorkerInfo>, RunsError> {
    select(conn, None, filter, limit).await
}

/// Reads one worker.
///
/// # Errors
/// [`RunsError::UnknownWorker`].
pub async fn get_worker(conn: &mut PgConnection, id: WorkerId) -> Result<WorkerInfo, RunsError> {
    let mut workers = select(conn, Some(id), WorkerFilter { all: true, after: None }, 1).await?;
    workers.pop().ok_or(RunsError::UnknownWorker(id))
}

async fn select(conn: &mut PgConnection, id: Option<WorkerId>, filter: WorkerFilter, limit: i64) -> Result<Vec<WorkerInfo>, RunsError> {
    let (after_at, after_id) = filter.after.map_or((None, None), |(at, id)| (Some(at), Some(id)));
    let rows = sqlx::query!(
        r#"
        SELECT w.id AS "id: WorkerId", w.host, w.pid, w.version, w.slots, w.kinds AS "kinds: Vec<RunKind>", w.labels, w.backend,
            w.cpu_kernel,
            w.memory_bytes, w.scratch_free_bytes, w.base_models, w.listening, w.started_at, w.heartbeat_at, w.stopped_at,
            w.drain_requested_at, w.drain_requested_by,
            w.drain_release_runs, w.heartbeat_at < clock_timestamp() - make_interval(secs => $6) AS "is_silent!"
        FROM workers w
        WHERE ($1::uuid IS NULL OR w.id = $1)
            AND ($2 OR (w.stopped_at IS NULL AND w.heartbeat_at >= clock_timestamp() - make_interval(secs => $7)))
            AND ($3::timestamptz IS NULL OR (w.started_at, w.id) < ($3, $4::uuid))
        ORDER BY w.started_at DESC, w.id DESC
        LIMIT $5
        "#,
        id as Option<WorkerId>,
        filter.all,
        after_at,
        after_id as Option<WorkerId>,
        limit,
        SILENT_AFTER_SECONDS,
        HIDDEN_AFTER_SECONDS
    )
    .fetch_all(&mut *conn)
    .await?;
    let ids: Vec<uuid::Uuid> = rows.iter().map(|row| row.id.0).collect();
    let mut running = current_runs(conn, &ids).await?;
    let workers = rows.into_iter().map(|row| {
        let (own, others) = std::mem::take(&mut running).into_iter().partition::<Vec<_>, _>(|(worker, _)| *worker == row.id);
        running = others;
        let runs: Vec<CurrentRun> = own.into_iter().map(|(_, run)| run).collect();
        let state = if row.stopped_at.is_some() {
            WorkerState::Stopped
        } else if row.is_silent {
            WorkerState::Silent
        } else if row.drain_requested_at.is_some() {
            WorkerState::Draining
        } else if runs.is_empty() {
            WorkerState::Idle
        } else {
            WorkerState::Working
        };
        WorkerInfo {
            id: row.id,
            host: row.host,
            pid: row.pid,
            version: row.version,
            slots: row.slots,
            kinds: row.kinds,
            labels: row.labels,
            backend: row.backend,
            cpu_kernel: row.cpu_kernel,
            memory_bytes: row.memory_bytes,
            scratch_free_bytes: row.scratch_free_bytes,
            base_models: row.base_models,
            listening: row.listening && row.stopped_at.is_none(),
            started_at: row.started_at,
            heartbeat_at: row.heartbeat_at,
            stopped_at: row.stopped_at,
            state,
            drain_requested_at: row.drain_requested_at,
            drain_requested_by: row.drain_requested_by,
            drain_release_runs: row.drain_release_runs,
            runs,
        }
    });
    Ok(workers.collect())
}

async fn current_runs(conn: &mut PgConnection, workers: &[uuid::Uuid]) -> Result<Vec<(WorkerId, CurrentRun)>, RunsError> {
    let rows = sqlx::query!(
        r#"
        SELECT a.worker_id AS "worker_id: WorkerId", a.run_id AS "run_id: RunId", a.number, r.model, r.phase AS "phase: RunPhase", a.started_at
        FROM attempts a
        JOIN training_runs r ON r.id = a.run_id
        WHERE a.status = 'running' AND a.worker_id = ANY($1)
        ORDER BY a.started_at, a.run_id
        "#,
        workers
    )
    .fetch_all(conn)
    .await?;
    let runs = rows.into_iter().map(|row| {
        let run =
            CurrentRun { run_id: row.run_id, attempt_number: row.number, model: row.model, phase: row.phase, started_at: row.started_at };
        (row.worker_id, run)
    });
    Ok(runs.collect())
}
