//! The routes without prefix that the existing SPA calls. They are thin: the same services as under `/v1`, in the shapes the
//! SPA knows. A job is a training run seen from the SPA; both have one id.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use runs::{CreateRun, DataSpec, RunFilter, RunId, RunPhase, RunSpec, RunStatus, TrainingRun, create_run, get_run, list_runs};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::auth::{Operator, Viewer};
use crate::api::datasets::{DatasetQuery, send_dataset_of_run};
use crate::api::error::{ApiError, Problem};
use crate::api::extract::{JsonBody, Params, Segments};
use crate::api::models::{ModelQuery, send_model_of_run};
use crate::api::run_request::{check_spec, idempotency_key, trace_parent};
use crate::api::state::AppState;

/// The SPA shows one list without pages.
const LISTED: i64 = 200;
const RESOURCE: &str = "training_run";

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(jobs)).routes(routes!(job))
}

/// Routes whose answers may take longer than a request may.
pub(crate) fn downloads() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(dataset)).routes(routes!(model))
}

/// What the SPA sends to train.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TrainRequest {
    /// Documents to learn from; null or absent: all.
    #[serde(default)]
    document_ids: Option<Vec<Uuid>>,
    /// Who pressed the button; kept beside the name of the key.
    #[serde(default)]
    triggered_by: Option<String>,
}

/// The new job.
#[derive(Debug, Serialize, ToSchema)]
struct TrainResponse {
    /// Its id, which is that of the training run.
    job_id: RunId,
    /// Its status.
    status: RunStatus,
}

/// A training run as the SPA shows it.
#[derive(Debug, Serialize, ToSchema)]
struct Job {
    /// Id of the job, which is that of the training run.
    id: RunId,
    /// The same, by the name the SPA knows.
    job_id: RunId,
    /// `training_run`.
    resource_type: &'static str,
    /// Id of the training run.
    resource_id: RunId,
    /// Where it is in its life.
    status: RunStatus,
    /// What it is doing, while it runs.
    phase: Option<RunPhase>,
    /// Newest progress of the phase.
    #[schema(value_type = Option<Object>)]
    progress: Option<Value>,
    /// Why it failed.
    error: Option<String>,
    /// Who started it.
    triggered_by: String,
    /// Name of the model.
    model: String,
    /// The version it published.
    model_version: Option<i32>,
    /// Creation.
    created_at: DateTime<Utc>,
    /// First claim.
    started_at: Option<DateTime<Utc>>,
    /// End.
    finished_at: Option<DateTime<Utc>>,
}

impl From<TrainingRun> for Job {
    fn from(run: TrainingRun) -> Self {
        Self {
            id: run.id,
            job_id: run.id,
            resource_type: RESOURCE,
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

/// Starts a training run over documents
#[utoipa::path(
    post, path = "/training-runs", tag = "SPA", security(("api_key" = ["operator"])), request_body = TrainRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key and body give the same run")),
    responses((status = 202, description = "The job", body = TrainResponse), (status = 422, description = "Unknown documents", body = Problem)),
)]
async fn create(
    State(state): State<AppState>,
    Operator(actor): Operator,
    headers: HeaderMap,
    body: JsonBody<TrainRequest>,
) -> Result<Response, ApiError> {
    let TrainRequest { document_ids, triggered_by } = body.value;
    let spec = default_spec(&state, document_ids)?;
    let triggered_by = triggered_by.as_deref().map(str::trim).filter(|name| !name.is_empty());
    if triggered_by.is_some_and(|name| name.len() > 100 || name.contains(char::is_control)) {
        return Err(ApiError::unprocessable("invalid_body", "triggered_by must be at most 100 bytes without control characters"));
    }
    let mut conn = state.pool.acquire().await?;
    check_spec(&mut conn, &spec).await?;
    let request = CreateRun {
        spec,
        actor: &actor.0,
        on_behalf_of: triggered_by,
        idempotency: idempotency_key(&headers)?.map(|key| (key, body.sha256)),
        dataset_only: false,
        parent_run_id: None,
        position: None,
        trace_parent: trace_parent(&headers),
    };
    let run = create_run(&mut conn, request).await?.run;
    let mut response = (StatusCode::ACCEPTED, Json(TrainResponse { job_id: run.id, status: run.status })).into_response();
    if let Ok(location) = HeaderValue::from_str(&format!("/jobs/{}", run.id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// A spec with all defaults, made the way a client's is.
fn default_spec(state: &AppState, documents: Option<Vec<Uuid>>) -> Result<RunSpec, ApiError> {
    let spec: RunSpec = serde_json::from_value(json!({ "model": state.config.default_model })).map_err(ApiError::internal)?;
    Ok(RunSpec { data: DataSpec { documents, ..spec.data }, ..spec })
}

/// Lists the newest training runs
#[utoipa::path(
    get, path = "/training-runs", tag = "SPA", security(("api_key" = ["viewer"])),
    responses((status = 200, description = "At most 200, newest first", body = Vec<Job>)),
)]
async fn list(State(state): State<AppState>, _: Viewer) -> Result<Json<Vec<Job>>, ApiError> {
    newest(&state).await
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct JobsQuery {
    /// Only jobs about this type of thing; there is only `training_run`
    resource_type: Option<String>,
    /// Only jobs about this thing
    resource_id: Option<RunId>,
}

/// Lists the newest jobs
#[utoipa::path(
    get, path = "/jobs", tag = "SPA", security(("api_key" = ["viewer"])), params(JobsQuery),
    responses((status = 200, description = "At most 200, newest first", body = Vec<Job>)),
)]
async fn jobs(State(state): State<AppState>, _: Viewer, Params(query): Params<JobsQuery>) -> Result<Json<Vec<Job>>, ApiError> {
    if query.resource_type.is_some_and(|wanted| wanted != RESOURCE && wanted != "training-run" && wanted != "training_runs") {
        return Ok(Json(Vec::new()));
    }
    let Some(id) = query.resource_id else {
        return newest(&state).await;
    };
    let mut conn = state.pool.acquire().await?;
    match get_run(&mut conn, id).await {
        Ok(run) => Ok(Json(vec![run.into()])),
        Err(runs::RunsError::UnknownRun(_)) => Ok(Json(Vec::new())),
        Err(error) => Err(error.into()),
    }
}

async fn newest(state: &AppState) -> Result<Json<Vec<Job>>, ApiError> {
    let mut conn = state.pool.acquire().await?;
    let runs = list_runs(&mut conn, &RunFilter::default(), LISTED).await?;
    Ok(Json(runs.into_iter().map(Job::from).collect()))
}

/// Shows a job
#[utoipa::path(
    get, path = "/jobs/{id}", tag = "SPA", security(("api_key" = ["viewer"])), params(("id" = RunId, Path)),
    responses((status = 200, description = "The job", body = Job), (status = 404, description = "No such job", body = Problem)),
)]
async fn job(State(state): State<AppState>, _: Viewer, Segments(id): Segments<RunId>) -> Result<Json<Job>, ApiError> {
    let mut conn = state.pool.acquire().await?;
    Ok(Json(get_run(&mut conn, id).await?.into()))
}

/// Downloads the dataset snapshot of a run
#[utoipa::path(
    get, path = "/training-runs/{id}/dataset", tag = "SPA", security(("api_key" = ["viewer"])), params(("id" = RunId, Path), DatasetQuery),
    responses(
        (status = 200, description = "A tar, or the asked file", body = [u8], content_type = "application/octet-stream"),
        (status = 409, description = "The run has no snapshot yet", body = Problem),
    ),
)]
async fn dataset(
    State(state): State<AppState>,
    _: Viewer,
    method: Method,
    headers: HeaderMap,
    Segments(id): Segments<RunId>,
    Params(query): Params<DatasetQuery>,
) -> Result<Response, ApiError> {
    send_dataset_of_run(&state, &method, &headers, id, &query).await
}

/// Downloads the model that a run published
#[utoipa::path(
    get, path = "/training-runs/{id}/model", tag = "SPA", security(("api_key" = ["viewer"])), params(("id" = RunId, Path), ModelQuery),
    responses(
        (status = 200, description = "A tar, or the asked file", body = [u8], content_type = "application/octet-stream"),
        (status = 409, description = "The run has published no model", body = Problem),
    ),
)]
async fn model(
    State(state): State<AppState>,
    _: Viewer,
    method: Method,
    headers: HeaderMap,
    Segments(id): Segments<RunId>,
    Params(query): Params<ModelQuery>,
) -> Result<Response, ApiError> {
    send_model_of_run(&state, &method, &headers, id, &query).await
}
