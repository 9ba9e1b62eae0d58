//! Lists and shows training runs as jobs of the SPA.

use aprendiz_db::Scope;
use aprendiz_runs::{RunFilter, RunId, RunPhase, RunStatus, TrainingRun, get_run, list_runs};
use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::auth::Viewer;
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, ApiQuery};
use crate::api::http::operation::routes;
use crate::api::state::AppState;

/// Maximum number of listed runs: the SPA shows one list without pages.
const MAX_LISTED: i64 = 200;
const RESOURCE_TYPE: &str = "training_run";

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(jobs)).routes(routes!(job))
}

/// A training run in the format of the SPA.
#[derive(Debug, Serialize, ToSchema)]
struct Job {
    /// Id of the job; also the id of the training run.
    id: RunId,
    /// Same as `id`, under the name that the SPA expects.
    job_id: RunId,
    /// `training_run`.
    resource_type: &'static str,
    /// Id of the training run.
    resource_id: RunId,
    /// Status of the run.
    status: RunStatus,
    /// Current phase, while the run is active.
    phase: Option<RunPhase>,
    /// Latest progress of the phase.
    #[schema(value_type = Option<Object>)]
    progress: Option<Value>,
    /// Error of a failed run.
    error: Option<String>,
    /// User or API key that started the run.
    triggered_by: String,
    /// Name of the model.
    model: String,
    /// Number of the published model version.
    model_version: Option<i32>,
    /// Time of creation.
    created_at: DateTime<Utc>,
    /// Time of the first claim.
    started_at: Option<DateTime<Utc>>,
    /// Time of the end.
    finished_at: Option<DateTime<Utc>>,
}

impl From<TrainingRun> for Job {
    fn from(run: TrainingRun) -> Self {
        Self {
            id: run.id,
            job_id: run.id,
            resource_type: RESOURCE_TYPE,
            resource_id: run.id,
            status: run.status,
            phase: run.phase,
            progress: run.progress,
            error: run.error_text,
            triggered_by: run.created_by,
            model: run.model,
            model_version: run.model_version,
            created_at: run.created_at,
            started_at: run.started_at,
            finished_at: run.finished_at,
        }
    }
}

/// Lists the latest training runs
#[utoipa::path(
    get, path = "/training-runs", tag = "SPA",
    responses((status = 200, description = "At most 200 runs, newest first", body = Vec<Job>)),
)]
async fn list(State(state): State<AppState>, _: Viewer) -> Result<Json<Vec<Job>>, ApiError> {
    list_latest(&state).await
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct JobsQuery {
    /// Only jobs for this resource type; the only one is `training_run`
    resource_type: Option<String>,
    /// Only jobs for this resource
    resource_id: Option<RunId>,
}

/// Lists the latest jobs
#[utoipa::path(
    get, path = "/jobs", tag = "SPA", params(JobsQuery),
    responses((status = 200, description = "At most 200 runs, newest first", body = Vec<Job>)),
)]
async fn jobs(State(state): State<AppState>, _: Viewer, ApiQuery(query): ApiQuery<JobsQuery>) -> Result<Json<Vec<Job>>, ApiError> {
    if query.resource_type.is_some_and(|resource| resource != RESOURCE_TYPE && resource != "training-run" && resource != "training_runs") {
        return Ok(Json(Vec::new()));
    }
    let Some(id) = query.resource_id else {
        return list_latest(&state).await;
    };
    let mut conn = state.database.read().await?;
    match get_run(&mut conn, id).await {
        Ok(run) => Ok(Json(vec![run.into()])),
        Err(aprendiz_runs::RunsError::UnknownRun(_)) => Ok(Json(Vec::new())),
        Err(error) => Err(error.into()),
    }
}

async fn list_latest(state: &AppState) -> Result<Json<Vec<Job>>, ApiError> {
    let mut conn = state.database.read().await?;
    let runs = list_runs(&mut conn, &Scope::All, &RunFilter { hide_trials: true, ..RunFilter::default() }, MAX_LISTED).await?;
    Ok(Json(runs.into_iter().map(Job::from).collect()))
}

/// Shows a job
#[utoipa::path(
    get, path = "/jobs/{id}", tag = "SPA", params(("id" = RunId, Path)),
    responses((status = 200, description = "The job", body = Job), (status = 404, description = "Job not found", body = Problem)),
)]
async fn job(State(state): State<AppState>, _: Viewer, ApiPath(id): ApiPath<RunId>) -> Result<Json<Job>, ApiError> {
    let mut conn = state.database.read().await?;
    Ok(Json(get_run(&mut conn, id).await?.into()))
}
