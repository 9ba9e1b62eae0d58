//! The run itself: read one, list many, cancel, retry by hand.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::{Acquire as _, PgConnection};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::audit::record_audit;
use crate::error::RunsError;
use crate::event::append;
use crate::ids::{DatasetId, RunId};
use crate::outbox::ask_for_announcement;
use crate::spec::RunSpec;
use crate::status::{EventKind, RunKind, RunPhase, RunStatus};

/// A training run as the database knows it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TrainingRun {
    /// Its id.
    pub id: RunId,
    /// What it learns.
    pub kind: RunKind,
    /// Name of the model it publishes.
    pub model: String,
    /// The spec it was created with, chosen documents apart.
    #[schema(value_type = RunSpec)]
    pub spec: Value,
    /// Only annotations up to this position are read.
    pub position: i64,
    /// Where it is in its life.
    pub status: RunStatus,
    /// What it is doing, while it runs.
    pub phase: Option<RunPhase>,
    /// Newest progress of the phase.
    #[schema(value_type = Option<Object>)]
    pub progress: Option<Value>,
    /// Greater first.
    pub priority: i32,
    /// Not before this time.
    pub run_after: DateTime<Utc>,
    /// Attempts before it fails for good.
    pub max_attempts: i32,
    /// Attempts that count so far.
    pub attempts_used: i32,
    /// Number of the newest attempt, 0 before the first.
    pub attempt_number: i32,
    /// When someone asked to cancel it.
    pub cancel_requested_at: Option<DateTime<Utc>>,
    /// Its dataset snapshot, once built.
    pub dataset_id: Option<DatasetId>,
    /// Whether it ends after the phase `dataset`.
    pub dataset_only: bool,
    /// Chosen documents; null = all.
    pub chosen_documents: Option<i64>,
    /// Short failure code.
    pub error_code: Option<String>,
    /// Failure in words.
    pub error_text: Option<String>,
    /// Who created it.
    pub created_by: String,
    /// The run it was made for.
    pub parent_run_id: Option<RunId>,
    /// The model version it published.
    pub model_version: Option<i32>,
    /// W3C trace context of the request that made it.
    #[serde(skip)]
    pub trace_parent: Option<String>,
    /// Creation.
    pub created_at: DateTime<Utc>,
    /// Last announcement in Redis.
    pub announced_at: Option<DateTime<Utc>>,
    /// First claim.
    pub started_at: Option<DateTime<Utc>>,
    /// End.
    pub finished_at: Option<DateTime<Utc>>,
}

impl TrainingRun {
    /// The spec as a type.
    ///
    /// # Errors
    /// [`RunsError::BrokenRow`] when the row was not written by this system.
    pub fn run_spec(&self) -> Result<RunSpec, RunsError> {
        serde_json::from_value(self.spec.clone()).map_err(|error| RunsError::BrokenRow {
            table: "training_runs",
            id: self.id.to_string(),
            what: error.to_string(),
        })
    }
}

/// Conditions of [`list_runs`]; all given ones must hold.
#[derive(Debug, Default)]
pub struct RunFilter {
    /// Only this status.
    pub status: Option<RunStatus>,
    /// Only this kind.
    pub kind: Option<RunKind>,
    /// Only this model name.
    pub model: Option<String>,
    /// Only runs made for this one.
    pub parent: Option<RunId>,
    /// Only runs older than this one, in the order of the list.
    pub after: Option<(DateTime<Utc>, RunId)>,
}

/// One run.
///
/// # Errors
/// [`RunsError::UnknownRun`].
pub async fn get_run(conn: &mut PgConnection, id: RunId) -> Result<TrainingRun, RunsError> {
    let mut rows = select(conn, Some(id), &RunFilter::default(), 1).await?;
    rows.pop().ok_or(RunsError::UnknownRun(id))
}

/// Runs, newest first.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list_runs(conn: &mut PgConnection, filter: &RunFilter, limit: i64) -> Result<Vec<TrainingRun>, RunsError> {
    select(conn, None, filter, limit).await
}

async fn select(conn: &mut PgConnection, id: Option<RunId>, filter: &RunFilter, limit: i64) -> Result<Vec<TrainingRun>, RunsError> {
    let (after_at, after_id) = filter.after.map_or((None, None), |(at, id)| (Some(at), Some(id)));
    let rows = sqlx::query_as!(
        TrainingRun,
        r#"
        SELECT r.id AS "id: RunId", r.kind AS "kind: RunKind", r.model, r.spec, r.position, r.status AS "status: RunStatus",
            r.phase AS "phase: RunPhase", r.progress, r.priority, r.run_after, r.max_attempts, r.attempts_used, r.attempt_number,
            r.cancel_requested_at, r.dataset_id AS "dataset_id: DatasetId", r.dataset_only,
            (SELECT nullif(count(*), 0) FROM training_run_documents d WHERE d.run_id = r.id) AS chosen_documents,
            r.error_code, r.error_text, r.created_by, r.parent_run_id AS "parent_run_id: RunId",
            (SELECT v.number FROM model_versions v WHERE v.run_id = r.id) AS model_version,
            r.trace_parent, r.created_at, r.announced_at, r.started_at, r.finished_at
        FROM training_runs r
        WHERE ($1::uuid IS NULL OR r.id = $1)
            AND ($2::run_status IS NULL OR r.status = $2)
            AND ($3::run_kind IS NULL OR r.kind = $3)
            AND ($4::text IS NULL OR r.model = $4)
            AND ($5::uuid IS NULL OR r.parent_run_id = $5)
            AND ($6::timestamptz IS NULL OR (r.created_at, r.id) < ($6, $7::uuid))
        ORDER BY r.created_at DESC, r.id DESC
        LIMIT $8
        "#,
        id as Option<RunId>,
        filter.status as Option<RunStatus>,
        filter.kind as Option<RunKind>,
        filter.model.as_deref(),
        filter.parent as Option<RunId>,
        after_at,
        after_id as Option<RunId>,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// The chosen documents of a run, sorted; `None` = all documents.
///
/// # Errors
/// When Postgres does not answer.
pub async fn documents_of(conn: &mut PgConnection, id: RunId) -> Result<Option<Vec<Uuid>>, RunsError> {
    let documents =
        sqlx::query_scalar!("SELECT document_id FROM training_run_documents WHERE run_id = $1 ORDER BY document_id", id as RunId)
            .fetch_all(conn)
            .await?;
    Ok(if documents.is_empty() { None } else { Some(documents) })
}

/// Asks a run to stop: a waiting run is cancelled at once, a running one becomes `cancelling` and its worker stops it.
/// Asking again changes nothing.
///
/// # Errors
/// [`RunsError::WrongState`] when it already ended otherwise, [`RunsError::UnknownRun`].
pub async fn cancel_run(conn: &mut PgConnection, id: RunId, actor: &str) -> Result<TrainingRun, RunsError> {
    let mut tx = conn.begin().await?;
    let status = hold_run(&mut tx, id).await?;
    let next = match status {
        RunStatus::Queued | RunStatus::Retrying => RunStatus::Cancelled,
        RunStatus::Running => RunStatus::Cancelling,
        RunStatus::Cancelling | RunStatus::Cancelled => return get_run(&mut tx, id).await,
        RunStatus::Succeeded | RunStatus::Failed => {
            return Err(RunsError::WrongState { run_id: id, status, why: "only a run that has not ended can be cancelled" });
        }
    };
    // the error of an attempt before is that of the attempt: this run ends because someone asked
    sqlx::query!(
        r#"
        UPDATE training_runs
        SET cancel_requested_at = clock_timestamp(),
            status = $2,
            error_code = NULL,
            error_text = NULL,
            finished_at = CASE WHEN $3 THEN clock_timestamp() END
        WHERE id = $1
        "#,
        id as RunId,
        next as RunStatus,
        next.is_final()
    )
    .execute(&mut *tx)
    .await?;
    append(&mut tx, id, None, EventKind::State, &json!({ "status": next, "by": actor })).await?;
    if next.is_final() {
        append(&mut tx, id, None, EventKind::End, &json!({ "status": next })).await?;
    }
    record_audit(&mut tx, actor, "training_run.cancel", &id.to_string(), &json!({})).await?;
    let run = get_run(&mut tx, id).await?;
    tx.commit().await?;
    Ok(run)
}

/// Runs a failed or cancelled run again: same run, new attempt, a full budget of attempts.
///
/// # Errors
/// [`RunsError::WrongState`] when it has not failed or been cancelled, [`RunsError::UnknownRun`].
pub async fn retry_run(conn: &mut PgConnection, id: RunId, actor: &str) -> Result<TrainingRun, RunsError> {
    let mut tx = conn.begin().await?;
    let status = hold_run(&mut tx, id).await?;
    let is_retryable = matches!(status, RunStatus::Failed | RunStatus::Cancelled);
    if !is_retryable || requeue_by_hand(&mut tx, &[id], actor).await?.is_empty() {
        return Err(RunsError::WrongState { run_id: id, status, why: "only a failed or cancelled run can be retried" });
    }
    let run = get_run(&mut tx, id).await?;
    tx.commit().await?;
    Ok(run)
}

/// Queues failed or cancelled runs again, says so, and asks for their announcement: those of them that were in such a state. The
/// others are not changed. The caller has begun a transaction.
pub(crate) async fn requeue_by_hand(conn: &mut PgConnection, ids: &[RunId], actor: &str) -> Result<Vec<RunId>, RunsError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    // one statement for any number of runs: events and audit rows are written with the change that they tell of
    let requeued = sqlx::query!(
        r#"
        WITH requeued AS (
            UPDATE training_runs
            SET status = 'queued',
                phase = NULL,
                progress = NULL,
                attempts_used = 0,
                first_attempt = attempt_number + 1,
                run_after = clock_timestamp(),
                cancel_requested_at = NULL,
                error_code = NULL,
                error_text = NULL,
                finished_at = NULL,
                last_event_sequence = last_event_sequence + 1
            WHERE id = ANY($1) AND status IN ('failed', 'cancelled')
            RETURNING id, last_event_sequence
        ), told AS (
            INSERT INTO run_events (run_id, sequence, kind, payload)
            SELECT id, last_event_sequence, 'state', jsonb_build_object('status', 'queued', 'by', $2::text) FROM requeued
        ), audited AS (
            INSERT INTO audit_log (actor, action, subject)
            SELECT $2, 'training_run.retry', id::text FROM requeued
        )
        SELECT id AS "id: RunId", pg_notify('aprendiz_run_events', id::text) FROM requeued
        "#,
        &ids,
        actor
    )
    .fetch_all(&mut *conn)
    .await?;
    let requeued: Vec<RunId> = requeued.into_iter().map(|row| row.id).collect();
    for id in &requeued {
        ask_for_announcement(conn, *id).await?;
    }
    Ok(requeued)
}

/// Locks the run until the transaction ends, so that what is decided by its status still holds when it is written.
async fn hold_run(conn: &mut PgConnection, id: RunId) -> Result<RunStatus, RunsError> {
    sqlx::query_scalar!(r#"SELECT status AS "status: RunStatus" FROM training_runs WHERE id = $1 FOR UPDATE"#, id as RunId)
        .fetch_optional(conn)
        .await?
        .ok_or(RunsError::UnknownRun(id))
}
