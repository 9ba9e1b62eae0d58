//! Endpoints for workers: list, show, drain.

use aprendiz_runs::{WorkerFilter, WorkerId, WorkerInfo, get_worker, list_workers, request_drain};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::auth::{Operator, Viewer};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, ApiQuery, OptionalJsonBody};
use crate::api::http::operation::routes;
use crate::api::http::page::{Page, checked_limit, decode_cursor, encode_cursor};
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show)).routes(routes!(drain))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Includes workers that have stopped or sent no heartbeat for an hour
    #[serde(default)]
    all: bool,
    /// `next_cursor` of the previous page
    cursor: Option<String>,
    /// Page size, 1 to 200; default 50
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// Lists workers, newest first
///
/// Alive workers, and those that became silent within the last hour. A worker is silent if it has not stopped but sent no heartbeat for 30
/// s, by the clock of the database.
#[utoipa::path(
    get, path = "/v1/workers", tag = "operations", params(ListQuery),
    responses((status = 200, description = "A page of workers", body = Page<WorkerInfo>)),
)]
async fn list(State(state): State<AppState>, _: Viewer, ApiQuery(query): ApiQuery<ListQuery>) -> Result<Json<Page<WorkerInfo>>, ApiError> {
    let limit = checked_limit(query.limit)?;
    let after = query.cursor.as_deref().map(decode_cursor).transpose()?.map(|(at, id)| (at, WorkerId(id)));
    let mut conn = state.database.read().await?;
    let workers = list_workers(&mut conn, WorkerFilter { all: query.all, after }, limit + 1).await?;
    Ok(Json(Page::from_items(workers, limit, |worker| encode_cursor(worker.started_at, worker.id.0))))
}

/// Shows a worker
#[utoipa::path(
    get, path = "/v1/workers/{id}", tag = "operations", params(("id" = WorkerId, Path)),
    responses(
        (status = 200, description = "The worker", body = WorkerInfo),
        (status = 404, description = "Worker not found", body = Problem),
    ),
)]
async fn show(State(state): State<AppState>, _: Viewer, ApiPath(id): ApiPath<WorkerId>) -> Result<Json<WorkerInfo>, ApiError> {
    let mut conn = state.database.read().await?;
    Ok(Json(get_worker(&mut conn, id).await?))
}

/// How a worker drains.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DrainRequest {
    /// Releases active runs after a checkpoint instead of finishing them.
    #[serde(default)]
    release_runs: bool,
}

/// Drains a worker
///
/// The worker claims no more runs and exits once its active runs have finished. With `release_runs` it releases them after a checkpoint, which
/// does not count as an attempt. Repeating the request has no effect, except that `release_runs` can be added.
#[utoipa::path(
    post, path = "/v1/workers/{id}/drain", tag = "operations", params(("id" = WorkerId, Path)),
    request_body = DrainRequest,
    responses(
        (status = 202, description = "The worker; draining starts within seconds", body = WorkerInfo),
        (status = 404, description = "Worker not found", body = Problem),
        (status = 409, description = "The worker has already stopped", body = Problem),
    ),
)]
async fn drain(
    State(state): State<AppState>,
    Operator(actor): Operator,
    ApiPath(id): ApiPath<WorkerId>,
    body: OptionalJsonBody<DrainRequest>,
) -> Result<(StatusCode, Json<WorkerInfo>), ApiError> {
    let DrainRequest { release_runs } = body.value;
    let mut tx = state.database.begin().await?;
    let worker = request_drain(&mut tx, id, release_runs, &actor.name).await?;
    tx.commit().await?;
    Ok((StatusCode::ACCEPTED, Json(worker)))
}
