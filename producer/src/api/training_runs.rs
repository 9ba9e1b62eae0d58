//! Training runs: create, list, show, cancel, retry, and their attempts and metrics.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use runs::{
    Attempt, CreateRun, Created, Metric, RunFilter, RunId, RunKind, RunSpec, RunStatus, TrainingRun, attempts_of, cancel_run, create_run,
    get_run, list_runs, metrics_of, retry_run,
};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::auth::{Operator, Viewer};
use crate::api::error::{ApiError, Problem};
use crate::api::extract::{JsonBody, Params, Segments};
use crate::api::page::{Page, checked_limit, decode_cursor, encode_cursor};
use crate::api::run_request::{check_spec, idempotency_key, trace_parent};
use crate::api::state::AppState;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(show))
        .routes(routes!(cancel))
        .routes(routes!(retry))
        .routes(routes!(attempts))
        .routes(routes!(metrics))
}

/// Creates a training run
///
/// The run waits in Postgres from the moment this answers; a worker claims it by priority, then age. Unknown keys of the
/// spec, unknown fields and unknown documents are errors that name them.
#[utoipa::path(
    post, path = "/v1/training-runs", tag = "training runs", security(("api_key" = ["operator"])),
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key and body give the same run; another body is refused")),
    request_body = RunSpec,
    responses(
        (status = 202, description = "The run; its address is in Location", body = TrainingRun, headers(("Location" = String))),
        (status = 422, description = "The spec cannot be run", body = Problem),
    ),
)]
async fn create(
    State(state): State<AppState>,
    Operator(actor): Operator,
    headers: HeaderMap,
    body: JsonBody<RunSpec>,
) -> Result<Response, ApiError> {
    let mut conn = state.pool.acquire().await?;
    check_spec(&mut conn, &body.value).await?;
    let request = CreateRun {
        spec: body.value,
        actor: &actor.0,
        on_behalf_of: None,
        idempotency: idempotency_key(&headers)?.map(|key| (key, body.sha256)),
        dataset_only: false,
        parent_run_id: None,
        position: None,
        trace_parent: trace_parent(&headers),
    };
    Ok(accepted(create_run(&mut conn, request).await?))
}

/// The answer to a request that made a run, or had made it before.
pub(crate) fn accepted(created: Created) -> Response {
    let location = format!("/v1/training-runs/{}", created.run.id);
    let mut response = (StatusCode::ACCEPTED, Json(created.run)).into_response();
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only this status
    status: Option<RunStatus>,
    /// Only this kind
    kind: Option<RunKind>,
    /// Only this model name
    model: Option<String>,
    /// Only runs made for this one
    parent: Option<RunId>,
    /// `next_cursor` of the page before
    cursor: Option<String>,
    /// Runs on a page, 1 to 200; default 50
    limit: Option<i64>,
}

/// Lists training runs, newest first
#[utoipa::path(
    get, path = "/v1/training-runs", tag = "training runs", security(("api_key" = ["viewer"])), params(ListQuery),
    responses((status = 200, description = "A page of runs", body = Page<TrainingRun>)),
)]
async fn list(State(state): State<AppState>, _: Viewer, Params(query): Params<ListQuery>) -> Result<Json<Page<TrainingRun>>, ApiError> {
    let limit = checked_limit(query.limit)?;
    let after = query.cursor.as_deref().map(decode_cursor).transpose()?.map(|(at, id)| (at, RunId(id)));
    let filter = RunFilter { status: query.status, kind: query.kind, model: query.model, parent: query.parent, after };
    let mut conn = state.pool.acquire().await?;
    let runs = list_runs(&mut conn, &filter, limit + 1).await?;
    Ok(Json(Page::cut(runs, limit, |run| encode_cursor(run.created_at, run.id.0))))
}

/// Shows a training run
#[utoipa::path(
    get, path = "/v1/training-runs/{id}", tag = "training runs", security(("api_key" = ["viewer"])), params(("id" = RunId, Path)),
    responses((status = 200, description = "The run", body = TrainingRun), (status = 404, description = "No such run", body = Problem)),
)]
async fn show(State(state): State<AppState>, _: Viewer, Segments(id): Segments<RunId>) -> Result<Json<TrainingRun>, ApiError> {
    let mut conn = state.pool.acquire().await?;
    Ok(Json(get_run(&mut conn, id).await?))
}

/// Cancels a training run
///
/// A waiting run is cancelled at once; a running one becomes `cancelling` and its worker stops it within seconds.
#[utoipa::path(
    post, path = "/v1/training-runs/{id}/cancel", tag = "training runs", security(("api_key" = ["operator"])), params(("id" = RunId, Path)),
    responses((status = 200, description = "The run", body = TrainingRun), (status = 409, description = "It has ended", body = Problem)),
)]
async fn cancel(
    State(state): State<AppState>,
    Operator(actor): Operator,
    Segments(id): Segments<RunId>,
) -> Result<Json<TrainingRun>, ApiError> {
    let mut conn = state.pool.acquire().await?;
    Ok(Json(cancel_run(&mut conn, id, &actor.0).await?))
}

/// Runs a failed or cancelled run again
#[utoipa::path(
    post, path = "/v1/training-runs/{id}/retry", tag = "training runs", security(("api_key" = ["operator"])), params(("id" = RunId, Path)),
    responses(
        (status = 202, description = "The run, queued again", body = TrainingRun),
        (status = 409, description = "It has neither failed nor been cancelled", body = Problem),
    ),
)]
async fn retry(State(state): State<AppState>, Operator(actor): Operator, Segments(id): Segments<RunId>) -> Result<Response, ApiError> {
    let mut conn = state.pool.acquire().await?;
    let run = retry_run(&mut conn, id, &actor.0).await?;
    Ok((StatusCode::ACCEPTED, Json(run)).into_response())
}

/// Lists the attempts of a run, oldest first
#[utoipa::path(
    get, path = "/v1/training-runs/{id}/attempts", tag = "training runs", security(("api_key" = ["viewer"])), params(("id" = RunId, Path)),
    responses((status = 200, description = "All attempts", body = Page<Attempt>)),
)]
async fn attempts(State(state): State<AppState>, _: Viewer, Segments(id): Segments<RunId>) -> Result<Json<Page<Attempt>>, ApiError> {
    let mut conn = state.pool.acquire().await?;
    get_run(&mut conn, id).await?;
    Ok(Json(Page { items: attempts_of(&mut conn, id).await?, next_cursor: None }))
}

/// Lists the metrics of a run, by field
#[utoipa::path(
    get, path = "/v1/training-runs/{id}/metrics", tag = "training runs", security(("api_key" = ["viewer"])), params(("id" = RunId, Path)),
    responses((status = 200, description = "All metrics", body = Page<Metric>)),
)]
async fn metrics(State(state): State<AppState>, _: Viewer, Segments(id): Segments<RunId>) -> Result<Json<Page<Metric>>, ApiError> {
    let mut conn = state.pool.acquire().await?;
    get_run(&mut conn, id).await?;
    Ok(Json(Page { items: metrics_of(&mut conn, id).await?, next_cursor: None }))
}
