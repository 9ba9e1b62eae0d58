//! What there is to know about a run, read in one go.

use chrono::{DateTime, Utc};
use sqlx::{Connection as _, PgConnection};

use crate::error::RunsError;
use crate::fleet::SILENT_AFTER_SECONDS;
use crate::ids::RunId;
use crate::run::{TrainingRun, get_run};
use crate::status::{AttemptStatus, RunKind, RunStatus};

/// Runs before this one are counted up to this number.
pub(super) const COUNTED: i64 = 10_000;
/// The newest so many attempts are told.
const ATTEMPTS: i64 = 20;

/// Everything that [`super::words()`] speaks of.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The moment, by the database clock.
    pub now: DateTime<Utc>,
    /// The run.
    pub run: TrainingRun,
    /// Its newest attempts, oldest first.
    pub attempts: Vec<AttemptFacts>,
    /// Number of the first attempt since it was last retried by hand.
    pub first_attempt: i32,
    /// While it waits: runs that are claimed before it, counted up to 10,000.
    pub ahead: i64,
    /// While it waits: when its announcement is or was due; `None` when none is asked for.
    pub announcement_due_at: Option<DateTime<Utc>>,
    /// While it waits: the workers.
    pub fleet: FleetFacts,
    /// While it waits: whether Redis answers; `None` = nobody asked.
    pub redis_answers: Option<bool>,
    /// While it waits for a snapshot that another run builds: that run.
    pub awaited_run: Option<RunId>,
    /// While it runs: when its phase began.
    pub phase_since: Option<DateTime<Utc>>,
    /// Step of its newest checkpoint.
    pub checkpoint_step: Option<i64>,
    /// Who asked to cancel it, where someone did.
    pub cancelled_by: Option<String>,
    /// Numbers over all fields of a run that succeeded: split, name, value.
    pub headline: Vec<(String, String, f64)>,
}

/// One attempt.
#[derive(Debug, Clone)]
pub struct AttemptFacts {
    /// From 1.
    pub number: i32,
    /// Host of its worker.
    pub host: String,
    /// How it goes or ended.
    pub status: AttemptStatus,
    /// Until when the worker owns the run.
    pub lease_expires_at: DateTime<Utc>,
    /// Claim.
    pub started_at: DateTime<Utc>,
    /// End.
    pub finished_at: Option<DateTime<Utc>>,
    /// Short failure code.
    pub error_code: Option<String>,
    /// Failure in words.
    pub error_text: Option<String>,
    /// Step of the checkpoint that training continued from.
    pub resumed_from_step: Option<i64>,
}

/// The workers that are not silent, seen from one kind of run.
#[derive(Debug, Default, Clone, Copy)]
pub struct FleetFacts {
    /// All of them.
    pub alive: i64,
    /// Those that can carry out the kind.
    pub able: i64,
    /// Of those, the ones that claim nothing any more.
    pub draining: i64,
    /// Of those that still claim, the ones that hear announcements.
    pub listening: i64,
    /// Slots of those that still claim.
    pub slots: i64,
    /// Of those slots, the ones with a run.
    pub busy: i64,
}

/// Reads what there is to know about a run. `redis_answers` is what the caller knows.
///
/// # Errors
/// [`RunsError::UnknownRun`].
pub async fn explain_facts(conn: &mut PgConnection, id: RunId, redis_answers: Option<bool>) -> Result<Facts, RunsError> {
    // one snapshot: what is said does not contradict itself
    let mut tx = conn.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
    let run = get_run(&mut tx, id).await?;
    let row = sqlx::query!(
        r#"
        SELECT clock_timestamp() AS "now!", r.first_attempt,
            (SELECT max(step) FROM checkpoints c WHERE c.run_id = r.id) AS checkpoint_step
        FROM training_runs r
        WHERE r.id = $1
        "#,
        id as RunId
    )
    .fetch_one(&mut *tx)
    .await?;
    let mut facts = Facts {
        now: row.now,
        attempts: attempts(&mut tx, id).await?,
        first_attempt: row.first_attempt,
        ahead: 0,
        announcement_due_at: None,
        fleet: FleetFacts::default(),
        redis_answers,
        awaited_run: None,
        phase_since: None,
        checkpoint_step: row.checkpoint_step,
        cancelled_by: None,
        headline: Vec::new(),
        run,
    };
    match facts.run.status {
        RunStatus::Queued | RunStatus::Retrying => {
            facts.ahead = ahead(&mut tx, &facts.run, facts.now).await?;
            facts.fleet = fleet(&mut tx, facts.run.kind, facts.now).await?;
            facts.awaited_run = awaited_run(&mut tx, id).await?;
            facts.announcement_due_at =
                sqlx::query_scalar!("SELECT min(due_at) FROM outbox WHERE run_id = $1", id as RunId).fetch_one(&mut *tx).await?;
        }
        RunStatus::Running | RunStatus::Cancelling => {
            facts.phase_since = phase_since(&mut tx, id, facts.run.attempt_number).await?;
            facts.cancelled_by = cancelled_by(&mut tx, &facts.run).await?;
        }
        RunStatus::Cancelled => facts.cancelled_by = cancelled_by(&mut tx, &facts.run).await?,
        RunStatus::Succeeded => facts.headline = headline(&mut tx, id).await?,
        RunStatus::Failed => {}
    }
    tx.commit().await?;
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
        ATTEMPTS
    )
    .fetch_all(conn)
    .await?;
    attempts.reverse();
    Ok(attempts)
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

/// Two ranges of the index that claims use: greater priority, and older of the same. Each stops at the limit.
async fn ahead(conn: &mut PgConnection, run: &TrainingRun, now: DateTime<Utc>) -> Result<i64, RunsError> {
    let ahead = sqlx::query_scalar!(
        r#"
        SELECT
            (SELECT count(*) FROM (
                SELECT FROM training_runs
                WHERE status IN ('queued', 'retrying') AND run_after <= $1 AND priority > $2
                LIMIT $5
            ) AS greater)
            + (SELECT count(*) FROM (
                SELECT FROM training_runs
                WHERE status IN ('queued', 'retrying') AND run_after <= $1 AND priority = $2 AND (created_at, id) < ($3, $4)
                LIMIT $5
            ) AS older) AS "ahead!"
        "#,
        now,
        run.priority,
        run.created_at,
        run.id as RunId,
        COUNTED
    )
    .fetch_one(conn)
    .await?;
    Ok(ahead.min(COUNTED))
}

async fn fleet(conn: &mut PgConnection, kind: RunKind, now: DateTime<Utc>) -> Result<FleetFacts, RunsError> {
    // a worker that does not say what it can carry out is taken to be able
    let row = sqlx::query!(
        r#"
        WITH alive AS (
            SELECT listening, slots, drain_requested_at IS NOT NULL AS draining, kinds = '{}' OR $3 = ANY(kinds) AS able,
                (SELECT count(*) FROM attempts a WHERE a.worker_id = w.id AND a.status = 'running') AS busy
            FROM workers w
            WHERE stopped_at IS NULL AND heartbeat_at >= $1::timestamptz - make_interval(secs => $2)
        )
        SELECT count(*) AS "alive!",
            count(*) FILTER (WHERE able) AS "able!",
            count(*) FILTER (WHERE able AND draining) AS "draining!",
            count(*) FILTER (WHERE able AND NOT draining AND listening) AS "listening!",
            coalesce(sum(slots) FILTER (WHERE able AND NOT draining), 0)::bigint AS "slots!",
            coalesce(sum(least(busy, slots)) FILTER (WHERE able AND NOT draining), 0)::bigint AS "busy!"
        FROM alive
        "#,
        now,
        SILENT_AFTER_SECONDS,
        kind as RunKind
    )
    .fetch_one(conn)
    .await?;
    Ok(FleetFacts { alive: row.alive, able: row.able, draining: row.draining, listening: row.listening, slots: row.slots, busy: row.busy })
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
        WHERE run_id = $1 AND field IS NULL AND step = 0 AND value IS NOT NULL AND split IN ('test', 'reviewed')
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
