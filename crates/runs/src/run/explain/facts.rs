//! The facts behind an explanation, read in one snapshot of the database.

use aprendiz_run_spec::{Requirement, RunKind, WorkerLabels, meets_all};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::format::seconds;
use crate::background_tasks::{BackgroundTask, TaskStatus, list_background_tasks};
use crate::error::RunsError;
use crate::ids::RunId;
use crate::run::status::{AttemptStatus, RunStatus};
use crate::run::training_run::{TrainingRun, get_run};
use crate::workers::list::{LATE_AFTER_SECONDS, SILENT_AFTER_SECONDS};

/// Upper limit of the number of runs ahead.
pub(super) const MAX_AHEAD: i64 = 10_000;
/// Number of latest attempts in an explanation.
const MAX_ATTEMPTS: i64 = 20;

/// Everything that [`super::render_explanation`] needs.
#[derive(Debug, Clone)]
pub struct RunFacts {
    /// Time of the snapshot, by the database clock.
    pub now: DateTime<Utc>,
    /// The run.
    pub run: TrainingRun,
    /// Its latest attempts, oldest first.
    pub attempts: Vec<AttemptFacts>,
    /// Number of the first attempt since the last manual retry.
    pub first_attempt: i32,
    /// While it waits: number of runs that are claimed before it, up to 10,000.
    pub ahead: i64,
    /// While it waits: when its wake-up is due; `None` when the outbox has none.
    pub wakeup_due_at: Option<DateTime<Utc>>,
    /// While it waits: the workers.
    pub workers: WorkerFacts,
    /// While it waits: the limits of its queue.
    pub queue: QueueFacts,
    /// While it waits: why Redis cannot be used; `None` if it works, or was not checked.
    pub redis_error: Option<String>,
    /// Background tasks without a success for too long.
    pub overdue_tasks: Vec<TaskStatus>,
    /// While it waits for a dataset build: the run that builds.
    pub awaited_run: Option<RunId>,
    /// Of a sweep: its trials and winner.
    pub trials: Option<TrialFacts>,
    /// While it runs: when its phase started.
    pub phase_since: Option<DateTime<Utc>>,
    /// Step of its latest checkpoint.
    pub checkpoint_step: Option<i64>,
    /// Who requested its cancellation.
    pub cancelled_by: Option<String>,
    /// Main metrics over all fields of a succeeded run: split, name, value.
    pub headline: Vec<(String, String, f64)>,
}

impl RunFacts {
    /// Describes a task if it is overdue.
    pub(super) fn overdue(&self, task: BackgroundTask) -> Option<String> {
        let status = self.overdue_tasks.iter().find(|status| status.name == task.as_str())?;
        let age = match status.success_age_seconds {
            Some(age) => format!("has had no successful round for {}", seconds(age)),
            None => "has never had a successful round".to_owned(),
        };
        let error = status.current_error().map(|error| format!(" ({error})")).unwrap_or_default();
        Some(format!("the {} of aprendiz serve {age}{error}", task.as_str()))
    }
}

/// The runs that a sweep has created.
#[derive(Debug, Default, Clone, Copy)]
pub struct TrialFacts {
    /// Number of trials of the sweep.
    pub planned: i64,
    /// Trials that were created, in all rungs.
    pub created: i64,
    /// Trials that succeeded.
    pub succeeded: i64,
    /// Trials that failed or were cancelled.
    pub failed: i64,
    /// Runs, the winner included, that a worker executes.
    pub running: i64,
    /// Runs, the winner included, that wait for a worker.
    pub waiting: i64,
    /// The run that trains the best trial in full.
    pub winner: Option<RunId>,
}

/// One attempt.
#[derive(Debug, Clone)]
pub struct AttemptFacts {
    /// Number of the attempt, from 1.
    pub number: i32,
    /// Host of its worker.
    pub host: String,
    /// Status of the attempt.
    pub status: AttemptStatus,
    /// The worker owns the run until this time.
    pub lease_expires_at: DateTime<Utc>,
    /// When it was claimed.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Error code of the failure.
    pub error_code: Option<String>,
    /// Description of the failure.
    pub error_text: Option<String>,
    /// Step of the checkpoint from which training resumed.
    pub resumed_from_step: Option<i64>,
}

/// Number of workers that are not silent, for one run.
#[derive(Debug, Default, Clone)]
pub struct WorkerFacts {
    /// All workers alive.
    pub alive: i64,
    /// Workers that support the kind.
    pub supporting: i64,
    /// Workers that also meet all requirements of the run.
    pub able: i64,
    /// Able workers that are draining.
    pub draining: i64,
    /// Able workers that are not draining and missed a heartbeat: they may be lost, so none of their slots counts.
    pub late: i64,
    /// Seconds since the latest heartbeat of a late worker.
    pub late_seconds: Option<f64>,
    /// Workers that can claim the run and receive wake-ups.
    pub listening: i64,
    /// Slots of the workers that can claim the run: able, neither draining nor late.
    pub slots: i64,
    /// Number of these slots with a run.
    pub busy: i64,
    /// Requirements that no worker which supports the kind meets. Empty, too, if each is met, but not all by one worker.
    pub unmet: Vec<String>,
}

/// The limits of a queue, and what uses them up.
#[derive(Debug, Default, Clone)]
pub struct QueueFacts {
    /// Greatest number of running runs.
    pub max_running: Option<i32>,
    /// Number of running runs of the queue.
    pub running: i64,
    /// Greatest number of running runs of one model.
    pub max_running_per_model: Option<i32>,
    /// Number of running runs of the queue and the model.
    pub running_of_model: i64,
}

impl WorkerFacts {
    /// Number of workers that can claim the run.
    pub(super) const fn available(&self) -> i64 {
        self.able - self.draining - self.late
    }
}

/// Loads the facts about a run. The caller provides `redis_error`, and a transaction that reads one snapshot, so that the explanation does
/// not contradict itself.
///
/// # Errors
/// [`RunsError::UnknownRun`].
pub async fn load_run_facts(conn: &mut PgConnection, id: RunId, redis_error: Option<String>) -> Result<RunFacts, RunsError> {
    let run = get_run(&mut *conn, id).await?;
    let row = sqlx::query!(
        r#"
        SELECT clock_timestamp() AS "now!", r.first_attempt,
            (SELECT max(step) FROM checkpoints c WHERE c.run_id = r.id) AS checkpoint_step
        FROM training_runs r
        WHERE r.id = $1
        "#,
        id as RunId
    )
    .fetch_one(&mut *conn)
    .await?;
    let mut facts = RunFacts {
        now: row.now,
        attempts: attempts(&mut *conn, id).await?,
        first_attempt: row.first_attempt,
        ahead: 0,
        wakeup_due_at: None,
        workers: WorkerFacts::default(),
        queue: QueueFacts::default(),
        redis_error,
        overdue_tasks: list_background_tasks(&mut *conn).await?.into_iter().filter(TaskStatus::is_overdue).collect(),
        awaited_run: None,
        trials: None,
        phase_since: None,
        checkpoint_step: row.checkpoint_step,
        cancelled_by: None,
        headline: Vec::new(),
        run,
    };
    if facts.run.kind == RunKind::Sweep {
        facts.trials = trial_facts(&mut *conn, id).await?;
    }
    match facts.run.status {
        RunStatus::Queued | RunStatus::Retrying => {
            facts.ahead = ahead(&mut *conn, &facts.run, facts.now).await?;
            facts.workers = worker_facts(&mut *conn, &facts.run, facts.now).await?;
            facts.queue = queue_facts(&mut *conn, &facts.run).await?;
            facts.awaited_run = awaited_run(&mut *conn, id).await?;
            facts.wakeup_due_at =
                sqlx::query_scalar!("SELECT min(due_at) FROM outbox WHERE run_id = $1", id as RunId).fetch_one(&mut *conn).await?;
        }
        RunStatus::Running | RunStatus::Cancelling => {
            facts.phase_since = phase_since(&mut *conn, id, facts.run.attempt_number).await?;
            facts.cancelled_by = cancelled_by(&mut *conn, &facts.run).await?;
        }
        RunStatus::Cancelled => facts.cancelled_by = cancelled_by(&mut *conn, &facts.run).await?,
        RunStatus::Succeeded => facts.headline = headline(&mut *conn, facts.trials.and_then(|trials| trials.winner).unwrap_or(id)).await?,
        RunStatus::Failed => {}
    }
    Ok(facts)
}

async fn attempts(conn: &mut PgConnection, id: RunId) -> Result<Vec<AttemptFacts>, RunsError> {
    let mut attempts = sqlx::query_as!(
        AttemptFacts,
        r#"
        SELECT a.number, w.host, a.status AS "status: AttemptStatus", a.lease_expires_at, a.started_at, a.finished_at, a.error_code,
            a.error_text, a.resumed_from_step
        FROM attempts a
        JOIN workers w ON w.id = a.worker_id
        WHERE a.run_id = $1
        ORDER BY a.number DESC
        LIMIT $2
        "#,
        id as RunId,
        MAX_ATTEMPTS
    )
    .fetch_all(conn)
    .await?;
    attempts.reverse();
    Ok(attempts)
}

async fn trial_facts(conn: &mut PgConnection, sweep: RunId) -> Result<Option<TrialFacts>, RunsError> {
    let row = sqlx::query!(
        r#"
        SELECT max(c.trials)::bigint AS planned,
            count(*) FILTER (WHERE c.role = 'trial') AS "created!",
            count(*) FILTER (WHERE c.role = 'trial' AND r.status = 'succeeded') AS "succeeded!",
            count(*) FILTER (WHERE c.role = 'trial' AND r.status IN ('failed', 'cancelled')) AS "failed!",
            count(*) FILTER (WHERE r.status IN ('running', 'cancelling')) AS "running!",
            count(*) FILTER (WHERE r.status IN ('queued', 'retrying')) AS "waiting!",
            (array_agg(c.run_id) FILTER (WHERE c.role = 'winner'))[1] AS "winner: RunId"
        FROM sweep_children c
        JOIN training_runs r ON r.id = c.run_id
        WHERE c.sweep_id = $1
        "#,
        sweep as RunId
    )
    .fetch_one(conn)
    .await?;
    // without children there is nothing to count yet
    Ok(row.planned.map(|planned| TrialFacts {
        planned,
        created: row.created,
        succeeded: row.succeeded,
        failed: row.failed,
        running: row.running,
        waiting: row.waiting,
        winner: row.winner,
    }))
}

async fn awaited_run(conn: &mut PgConnection, id: RunId) -> Result<Option<RunId>, RunsError> {
    let run = sqlx::query_scalar!(
        r#"
        SELECT b.run_id AS "run_id: RunId"
        FROM training_runs r
        JOIN dataset_builds b ON b.key = r.awaited_dataset_key
        WHERE r.id = $1
        "#,
        id as RunId
    )
    .fetch_optional(conn)
    .await?;
    Ok(run)
}

/// Counts the runs of its queue in two ranges of an index: greater priority, and older with the same priority. Each stops at the limit.
async fn ahead(conn: &mut PgConnection, run: &TrainingRun, now: DateTime<Utc>) -> Result<i64, RunsError> {
    let ahead = sqlx::query_scalar!(
        r#"
        SELECT
            (SELECT count(*) FROM (
                SELECT FROM training_runs
                WHERE status IN ('queued', 'retrying') AND run_after <= $1 AND priority > $2 AND queue = $6
                LIMIT $5
            ) AS greater)
            + (SELECT count(*) FROM (
                SELECT FROM training_runs
                WHERE status IN ('queued', 'retrying') AND run_after <= $1 AND priority = $2 AND (created_at, id) < ($3, $4)
                    AND queue = $6
                LIMIT $5
            ) AS older) AS "ahead!"
        "#,
        now,
        run.priority,
        run.created_at,
        run.id as RunId,
        MAX_AHEAD,
        run.queue
    )
    .fetch_one(conn)
    .await?;
    Ok(ahead.min(MAX_AHEAD))
}

async fn queue_facts(conn: &mut PgConnection, run: &TrainingRun) -> Result<QueueFacts, RunsError> {
    let facts = sqlx::query_as!(
        QueueFacts,
        r#"
        SELECT q.max_running, q.max_running_per_model, count(r.id) AS "running!",
            count(r.id) FILTER (WHERE r.model = $2) AS "running_of_model!"
        FROM queues q
        LEFT JOIN training_runs r ON r.queue = q.name AND r.status IN ('running', 'cancelling')
        WHERE q.name = $1
        GROUP BY q.name
        "#,
        run.queue,
        run.model
    )
    .fetch_one(conn)
    .await?;
    Ok(facts)
}

async fn worker_facts(conn: &mut PgConnection, run: &TrainingRun, now: DateTime<Utc>) -> Result<WorkerFacts, RunsError> {
    // a worker that does not list its kinds is assumed to support all of them
    let workers = sqlx::query!(
        r#"
        SELECT listening, slots, labels, drain_requested_at IS NOT NULL AS "is_draining!",
            kinds = '{}' OR $3 = ANY(kinds) AS "supports_kind!",
            heartbeat_at < $1::timestamptz - make_interval(secs => $4) AS "is_late!",
            extract(epoch FROM $1::timestamptz - heartbeat_at)::float8 AS "age!",
            (SELECT count(*) FROM attempts a WHERE a.worker_id = w.id AND a.status = 'running') AS "busy!"
        FROM workers w
        WHERE stopped_at IS NULL AND heartbeat_at >= $1::timestamptz - make_interval(secs => $2)
        "#,
        now,
        SILENT_AFTER_SECONDS,
        run.kind as RunKind,
        LATE_AFTER_SECONDS
    )
    .fetch_all(conn)
    .await?;
    let mut facts = WorkerFacts { alive: i64::try_from(workers.len()).unwrap_or(i64::MAX), ..WorkerFacts::default() };
    let mut unmet = run.requires.clone();
    for worker in workers.iter().filter(|worker| worker.supports_kind) {
        let labels = WorkerLabels::from_stored(&worker.labels);
        facts.supporting += 1;
        unmet.retain(|text| !Requirement::try_from(text.clone()).is_ok_and(|requirement| requirement.is_met_by(&labels)));
        if !meets_all(&labels, &run.requires) {
            continue;
        }
        facts.able += 1;
        if worker.is_draining {
            facts.draining += 1;
        } else if worker.is_late {
            facts.late += 1;
            facts.late_seconds = Some(facts.late_seconds.map_or(worker.age, |age| age.min(worker.age)));
        } else {
            let slots = i64::from(worker.slots);
            facts.listening += i64::from(worker.listening);
            facts.slots += slots;
            facts.busy += worker.busy.min(slots);
        }
    }
    if facts.supporting > 0 {
        facts.unmet = unmet;
    }
    Ok(facts)
}

async fn phase_since(conn: &mut PgConnection, id: RunId, attempt_number: i32) -> Result<Option<DateTime<Utc>>, RunsError> {
    let since = sqlx::query_scalar!(
        r#"
        SELECT occurred_at
        FROM run_events
        WHERE run_id = $1 AND attempt_number = $2 AND (kind = 'phase' OR kind = 'state' AND payload ->> 'status' = 'running')
        ORDER BY sequence DESC
        LIMIT 1
        "#,
        id as RunId,
        attempt_number
    )
    .fetch_optional(conn)
    .await?;
    Ok(since)
}

async fn cancelled_by(conn: &mut PgConnection, run: &TrainingRun) -> Result<Option<String>, RunsError> {
    if run.cancel_requested_at.is_none() {
        return Ok(None);
    }
    let by = sqlx::query_scalar!(
        r#"
        SELECT payload ->> 'by' AS "by!"
        FROM run_events
        WHERE run_id = $1 AND kind = 'state' AND payload ->> 'status' IN ('cancelling', 'cancelled') AND payload ? 'by'
        ORDER BY sequence DESC
        LIMIT 1
        "#,
        run.id as RunId
    )
    .fetch_optional(conn)
    .await?;
    Ok(by)
}

async fn headline(conn: &mut PgConnection, id: RunId) -> Result<Vec<(String, String, f64)>, RunsError> {
    let rows = sqlx::query!(
        r#"
        SELECT split, name, value AS "value!"
        FROM metrics
        WHERE run_id = $1 AND field IS NULL AND step = 0 AND value IS NOT NULL AND split IN ('test', 'reviewed', 'predicted')
            AND name IN ('n', 'accuracy', 'macro_f1', 'majority_baseline', 'coverage', 'selective_accuracy', 'prediction_coverage',
                'pairs', 'average_precision', 'base_average_precision')
        ORDER BY split, id
        "#,
        id as RunId
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.split, row.name, row.value)).collect())
}
