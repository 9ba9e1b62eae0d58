//! The workers as operators see them: who is there, what each one does, and asking one to drain.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use sqlx::{Acquire as _, PgConnection};
use utoipa::ToSchema;

use crate::audit::record_audit;
use crate::error::RunsError;
use crate::ids::{RunId, WorkerId};
use crate::status::{RunKind, RunPhase};

/// A worker that has not been heard of for so long is silent. Workers say that they live three times in that time.
pub(crate) const SILENT_AFTER_SECONDS: f64 = 30.0;
/// A silent worker is listed among those alive for so long, so that a lost host is noticed; then only among all.
const FORGOTTEN_AFTER_SECONDS: f64 = 3600.0;

/// How a worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum WorkerState {
    /// Executes at least one run.
    Working,
    /// Has nothing to do.
    Idle,
    /// Claims nothing any more and ends once it has no run.
    Draining,
    /// Has not been heard of for 30 s: it hangs, or its host is lost.
    Silent,
    /// Ended in good order.
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
    /// What it is doing.
    pub phase: Option<RunPhase>,
    /// When the attempt began.
    pub started_at: DateTime<Utc>,
}

/// A worker process, and what it does.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FleetWorker {
    /// Fresh per boot.
    pub id: WorkerId,
    /// Host name.
    pub host: String,
    /// Process id on that host.
    pub pid: Option<i32>,
    /// Version of the binary.
    pub version: String,
    /// Runs at once.
    pub slots: i32,
    /// Kinds of run that it can carry out; empty = not said.
    pub kinds: Vec<RunKind>,
    /// Back end of its arithmetic.
    pub backend: String,
    /// Vector instructions of its arithmetic.
    pub cpu_kernel: String,
    /// Memory of its machine or control group, bytes.
    pub memory_bytes: Option<i64>,
    /// Whether it hears announcements; without them it finds runs by looking.
    pub listening: bool,
    /// Boot.
    pub started_at: DateTime<Utc>,
    /// Last sign of life.
    pub heartbeat_at: DateTime<Utc>,
    /// When it ended in good order.
    pub stopped_at: Option<DateTime<Utc>>,
    /// How it is, by the database clock.
    pub state: WorkerState,
    /// When someone asked it to drain.
    pub drain_requested_at: Option<DateTime<Utc>>,
    /// Who asked.
    pub drain_requested_by: Option<String>,
    /// Whether it hands running runs back instead of finishing them.
    pub drain_hand_back: bool,
    /// What it executes.
    pub runs: Vec<CurrentRun>,
}

/// Which workers [`list_workers`] gives.
#[derive(Debug, Default, Clone, Copy)]
pub struct WorkerFilter {
    /// Also those that have stopped, or have not been heard of for an hour.
    pub all: bool,
    /// Only those that started before this one, in the order of the list.
    pub after: Option<(DateTime<Utc>, WorkerId)>,
}

/// Workers, newest first.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list_workers(conn: &mut PgConnection, filter: WorkerFilter, limit: i64) -> Result<Vec<FleetWorker>, RunsError> {
    select(conn, None, filter, limit).await
}

/// One worker.
///
/// # Errors
/// [`RunsError::UnknownWorker`].
pub async fn get_worker(conn: &mut PgConnection, id: WorkerId) -> Result<FleetWorker, RunsError> {
    let mut workers = select(conn, Some(id), WorkerFilter { all: true, after: None }, 1).await?;
    workers.pop().ok_or(RunsError::UnknownWorker(id))
}

async fn select(conn: &mut PgConnection, id: Option<WorkerId>, filter: WorkerFilter, limit: i64) -> Result<Vec<FleetWorker>, RunsError> {
    let (after_at, after_id) = filter.after.map_or((None, None), |(at, id)| (Some(at), Some(id)));
    let rows = sqlx::query!(
        r#"
        SELECT w.id AS "id: WorkerId", w.host, w.pid, w.version, w.slots, w.kinds AS "kinds: Vec<RunKind>", w.backend, w.cpu_kernel,
            w.memory_bytes, w.listening, w.started_at, w.heartbeat_at, w.stopped_at, w.drain_requested_at, w.drain_requested_by,
            w.drain_hand_back, w.heartbeat_at < clock_timestamp() - make_interval(secs => $6) AS "is_silent!"
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
        FORGOTTEN_AFTER_SECONDS
    )
    .fetch_all(&mut *conn)
    .await?;
    let ids: Vec<uuid::Uuid> = rows.iter().map(|row| row.id.0).collect();
    let mut running = current_runs(conn, &ids).await?;
    let workers = rows.into_iter().map(|row| {
        let (mine, others) = std::mem::take(&mut running).into_iter().partition::<Vec<_>, _>(|(worker, _)| *worker == row.id);
        running = others;
        let runs: Vec<CurrentRun> = mine.into_iter().map(|(_, run)| run).collect();
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
        FleetWorker {
            id: row.id,
            host: row.host,
            pid: row.pid,
            version: row.version,
            slots: row.slots,
            kinds: row.kinds,
            backend: row.backend,
            cpu_kernel: row.cpu_kernel,
            memory_bytes: row.memory_bytes,
            listening: row.listening && row.stopped_at.is_none(),
            started_at: row.started_at,
            heartbeat_at: row.heartbeat_at,
            stopped_at: row.stopped_at,
            state,
            drain_requested_at: row.drain_requested_at,
            drain_requested_by: row.drain_requested_by,
            drain_hand_back: row.drain_hand_back,
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

/// Asks a worker to claim nothing any more and to end once it has no run; with `hand_back` it hands running runs back, with a
/// checkpoint, instead of finishing them. Asking again changes nothing, but `hand_back` can be added.
///
/// # Errors
/// [`RunsError::UnknownWorker`], [`RunsError::WorkerStopped`].
pub async fn ask_to_drain(conn: &mut PgConnection, id: WorkerId, hand_back: bool, actor: &str) -> Result<FleetWorker, RunsError> {
    let mut tx = conn.begin().await?;
    let changed = sqlx::query!(
        r#"
        UPDATE workers
        SET drain_requested_at = coalesce(drain_requested_at, clock_timestamp()),
            drain_requested_by = coalesce(drain_requested_by, $3),
            drain_hand_back = drain_hand_back OR $2
        WHERE id = $1 AND stopped_at IS NULL AND (drain_requested_at IS NULL OR ($2 AND NOT drain_hand_back))
        "#,
        id as WorkerId,
        hand_back,
        actor
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    if changed == 1 {
        record_audit(&mut tx, actor, "worker.drain", &id.to_string(), &json!({ "hand_back": hand_back })).await?;
    }
    let worker = get_worker(&mut tx, id).await?;
    if worker.stopped_at.is_some() {
        return Err(RunsError::WorkerStopped(id));
    }
    tx.commit().await?;
    Ok(worker)
}
