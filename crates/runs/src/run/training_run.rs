//! The training run: its row, reading and listing.

use std::collections::BTreeMap;
use std::fmt::Display;

use aprendiz_db::Scope;
use aprendiz_run_spec::{RunKind, RunSpec, ValidatedSpec};
use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::RunsError;
use crate::ids::{DatasetId, ModelVersionId, RunId};
use crate::run::status::{RunPhase, RunStatus, SweepRole};

/// A training run.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TrainingRun {
    /// Id of the run.
    pub id: RunId,
    /// Kind of the run.
    pub kind: RunKind,
    /// Name of the model under which it publishes.
    pub model: String,
    /// The spec it was created with and all defaults of that time, without the list of selected documents.
    #[schema(value_type = RunSpec)]
    pub spec: Value,
    /// Position of the annotations: later changes are not read.
    pub position: i64,
    /// Status of the run.
    pub status: RunStatus,
    /// Current phase, while it is running.
    pub phase: Option<RunPhase>,
    /// Latest progress of the phase.
    #[schema(value_type = Option<Object>)]
    pub progress: Option<Value>,
    /// Priority: greater runs first.
    pub priority: i32,
    /// Queue whose weight and limits apply.
    pub queue: String,
    /// What its worker must have: the labels that the spec requires and, as `backend=NAME`, a backend that not every build includes.
    pub requires: Vec<String>,
    /// Earliest start time.
    pub run_after: DateTime<Utc>,
    /// Number of attempts before it fails for good.
    pub max_attempts: i32,
    /// Number of attempts that count against `max_attempts` so far.
    pub attempts_used: i32,
    /// Number of the latest attempt; 0 before the first.
    pub attempt_number: i32,
    /// When cancellation was requested.
    pub cancel_requested_at: Option<DateTime<Utc>>,
    /// Its dataset snapshot, once built.
    pub dataset_id: Option<DatasetId>,
    /// Whether it ends after phase `dataset`.
    pub dataset_only: bool,
    /// Number of selected documents; null = all documents.
    pub chosen_documents: Option<i64>,
    /// Error code of the failure.
    pub error_code: Option<String>,
    /// Description of the failure.
    pub error_text: Option<String>,
    /// Who created it.
    pub created_by: String,
    /// Its tags: keys and values, both texts.
    #[schema(value_type = BTreeMap<String, String>)]
    pub tags: Value,
    /// Its note.
    pub note: Option<String>,
    /// The parent run, if this is a child run.
    pub parent_run_id: Option<RunId>,
    /// What it is in the sweep that created it; null = it was not created by a sweep.
    pub sweep_role: Option<SweepRole>,
    /// Number of the trial, from 1, for a child run of a sweep.
    pub trial: Option<i32>,
    /// Number of trials of that sweep.
    pub trials: Option<i32>,
    /// Rung of successive halving, from 1, for a child run of a sweep.
    pub rung: Option<i32>,
    /// Part of train on which it trains; null = the whole.
    pub train_fraction: Option<f64>,
    /// The version that it trains again to compare the files; it publishes nothing then.
    pub verifies_version_id: Option<ModelVersionId>,
    /// Number of the model version it published; of a sweep, the version of its winner.
    pub model_version: Option<i32>,
    /// What a reader of the metrics must know first, such as a test split without examples or an encoder that is worse than its base model.
    pub warnings: Vec<String>,
    /// Id of the trace that it continues, 32 hexadecimal digits; null = it was created without one.
    #[serde(rename = "trace_id", serialize_with = "serialize_trace_id")]
    pub trace_parent: Option<String>,
    /// Vendor part of that trace context.
    #[serde(skip)]
    pub trace_state: Option<String>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When its latest wake-up was published in Redis.
    pub wakeup_published_at: Option<DateTime<Utc>>,
    /// When it was first claimed.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

impl TrainingRun {
    /// Parses the spec, to derive the spec of another run from it.
    ///
    /// # Errors
    /// [`RunsError::BrokenRow`] when the stored spec has keys or values that this version does not know.
    pub fn run_spec(&self) -> Result<RunSpec, RunsError> {
        let mut spec = self.spec.clone();
        keep_earlier_meaning(&mut spec);
        serde_json::from_value(spec).map_err(|error| self.broken_spec(error))
    }

    /// Number of the published version of its model that it evaluates, for a run of kind `evaluate` that names one.
    #[must_use]
    pub fn evaluated_version(&self) -> Option<i64> {
        self.spec["model_version"].as_i64().filter(|_| self.kind == RunKind::Evaluate)
    }

    /// Number of the published version of its model that it predicts with, for a run of kind `predict`.
    #[must_use]
    pub fn predicting_version(&self) -> Option<i64> {
        self.spec["model_version"].as_i64().filter(|_| self.kind == RunKind::Predict)
    }

    /// Parses and validates the spec, to execute the run.
    ///
    /// # Errors
    /// [`RunsError::BrokenRow`] when the stored spec is not valid in this version.
    pub fn validated_spec(&self) -> Result<ValidatedSpec, RunsError> {
        self.run_spec()?.validate().map_err(|error| self.broken_spec(error))
    }

    fn broken_spec(&self, error: impl Display) -> RunsError {
        let what = format!("the spec is not valid in version {} of Aprendiz: {error}", env!("CARGO_PKG_VERSION"));
        RunsError::BrokenRow { table: "training_runs", id: self.id.to_string(), what }
    }
}

/// The second part of a `traceparent`.
fn serialize_trace_id<S: Serializer>(trace_parent: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    trace_parent.as_deref().and_then(|parent| parent.split('-').nth(1)).serialize(serializer)
}

/// Adds to the spec of a run of an earlier version what that version did without saying so, where the default is another one now: its model
/// was fitted on train only.
fn keep_earlier_meaning(spec: &mut Value) {
    let fits_fields = ["linear", "field-classifier"].iter().any(|kind| spec["kind"] == *kind);
    if fits_fields && let Some(params) = spec["params"].as_object_mut() {
        params.entry("final_fit").or_insert_with(|| Value::from("train"));
    }
}

/// Conditions of [`list_runs`]; all of them must hold.
#[derive(Debug, Default)]
pub struct RunFilter {
    /// Only this status.
    pub status: Option<RunStatus>,
    /// Only this kind.
    pub kind: Option<RunKind>,
    /// Only this model name.
    pub model: Option<String>,
    /// Only child runs of this run.
    pub parent: Option<RunId>,
    /// Leaves out the trials of sweeps.
    pub hide_trials: bool,
    /// Only runs that have these tags with these values.
    pub tags: BTreeMap<String, String>,
    /// Only runs after this one in the list: the cursor.
    pub after: Option<(DateTime<Utc>, RunId)>,
}

/// Reads one run of a scope; every other one counts as unknown.
///
/// # Errors
/// [`RunsError::UnknownRun`].
pub async fn find_run(conn: &mut PgConnection, scope: &Scope, id: RunId) -> Result<TrainingRun, RunsError> {
    let mut rows = select(conn, scope, Some(&[id.0]), &RunFilter::default(), 1).await?;
    rows.pop().ok_or(RunsError::UnknownRun(id))
}

/// Reads one run, whatever its projects: for workers, and after [`find_run`].
///
/// # Errors
/// [`RunsError::UnknownRun`].
pub async fn get_run(conn: &mut PgConnection, id: RunId) -> Result<TrainingRun, RunsError> {
    find_run(conn, &Scope::All, id).await
}

/// Lists runs of a scope, newest first.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list_runs(conn: &mut PgConnection, scope: &Scope, filter: &RunFilter, limit: i64) -> Result<Vec<TrainingRun>, RunsError> {
    select(conn, scope, None, filter, limit).await
}

/// Runs of the scope that match the filter, newest first; with ids, only those of them.
pub(crate) async fn select(
    conn: &mut PgConnection,
    scope: &Scope,
    ids: Option<&[Uuid]>,
    filter: &RunFilter,
    limit: i64,
) -> Result<Vec<TrainingRun>, RunsError> {
    let tags = (!filter.tags.is_empty()).then(|| json!(filter.tags));
    let (after_at, after_id) = filter.after.map_or((None, None), |(at, id)| (Some(at), Some(id)));
    let rows = sqlx::query_as!(
        TrainingRun,
        r#"
        SELECT r.id AS "id: RunId", r.kind AS "kind: RunKind", r.model, r.spec, r.position, r.status AS "status: RunStatus",
            r.phase AS "phase: RunPhase", r.progress, r.priority, r.queue, r.requires, r.run_after, r.max_attempts, r.attempts_used, r.attempt_number,
            r.cancel_requested_at, r.dataset_id AS "dataset_id: DatasetId", r.dataset_only,
            (SELECT nullif(count(*), 0) FROM training_run_documents d WHERE d.run_id = coalesce(c.sweep_id, r.id)) AS chosen_documents,
            r.error_code, r.error_text, r.created_by, r.tags, r.note, r.parent_run_id AS "parent_run_id: RunId",
            c.role AS "sweep_role?: SweepRole", c.trial AS "trial?", c.trials AS "trials?", c.rung AS "rung?", c.train_fraction,
            r.verifies_version_id AS "verifies_version_id: ModelVersionId",
            (SELECT v.number FROM model_versions v WHERE v.run_id = coalesce(w.run_id, r.id)) AS model_version,
            ARRAY(
                SELECT jsonb_array_elements_text(v.card -> 'warnings')
                FROM model_versions v
                WHERE v.run_id = coalesce(w.run_id, r.id) AND jsonb_typeof(v.card -> 'warnings') = 'array'
            ) AS "warnings!",
            r.trace_parent, r.trace_state, r.created_at, r.wakeup_published_at, r.started_at, r.finished_at
        FROM training_runs r
        LEFT JOIN sweep_children c ON c.run_id = r.id
        LEFT JOIN sweep_children w ON w.sweep_id = r.id AND w.role = 'winner'
        WHERE ($1::uuid[] IS NULL OR r.id = ANY($1))
            AND ($2::run_status IS NULL OR r.status = $2)
            AND ($3::run_kind IS NULL OR r.kind = $3)
            AND ($4::text IS NULL OR r.model = $4)
            AND ($5::uuid IS NULL OR r.parent_run_id = $5)
            AND ($6::timestamptz IS NULL OR (r.created_at, r.id) < ($6, $7::uuid))
            AND ($9::jsonb IS NULL OR r.tags @> $9)
            AND (NOT $10 OR c.role IS DISTINCT FROM 'trial')
            AND ($11::text[] IS NULL OR run_in_scope(r.spec, $11))
        ORDER BY r.created_at DESC, r.id DESC
        LIMIT $8
        "#,
        ids as Option<&[Uuid]>,
        filter.status as Option<RunStatus>,
        filter.kind as Option<RunKind>,
        filter.model.as_deref(),
        filter.parent as Option<RunId>,
        after_at,
        after_id as Option<RunId>,
        limit,
        tags,
        filter.hide_trials,
        scope.projects()
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// Lists the selected documents of a run, by id; `None` = all documents.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list_run_documents(conn: &mut PgConnection, id: RunId) -> Result<Option<Vec<Uuid>>, RunsError> {
    let documents =
        // a sweep and the runs that it creates share one list
        sqlx::query_scalar!(
            r#"
            SELECT document_id FROM training_run_documents
            WHERE run_id = coalesce((SELECT sweep_id FROM sweep_children WHERE run_id = $1), $1)
            ORDER BY document_id
            "#,
            id as RunId
        )
        .fetch_all(conn)
        .await?;
    Ok(if documents.is_empty() { None } else { Some(documents) })
}

/// Locks the run's row (`FOR UPDATE`) until the transaction ends, so that a decision based on its status still holds when it is written.
pub(crate) async fn lock_run(conn: &mut PgConnection, id: RunId) -> Result<RunStatus, RunsError> {
    sqlx::query_scalar!(r#"SELECT status AS "status: RunStatus" FROM training_runs WHERE id = $1 FOR UPDATE"#, id as RunId)
        .fetch_optional(conn)
        .await?
        .ok_or(RunsError::UnknownRun(id))
}
