//! Workers: who is there, and asking one to drain.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use runs::{FleetWorker, WorkerFilter, WorkerId, ask_to_drain, get_worker, list_workers};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::auth::{Operator, Viewer};
use crate::api::error::{ApiError, Problem};
use crate::api::extract::{OptionalJsonBody, Params, Segments};
use crate::api::page::{Page, checked_limit, decode_cursor, encode_cursor};
use crate::api::state::AppState;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show)).routes(routes!(drain))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Also those that have stopped, or have not been heard of for an hour
    #[serde(default)]
    all: bool,
    /// `next_cursor` of the page before
    cursor: Option<String>,
    /// Workers on a page, 1 to 200; default 50
    limit: Option<i64>,
}

/// Lists workers, newest first
///
/// Those alive, and those that fell silent within the last hour. Silent means: not stopped, and no heartbeat for 30 s by the
/// clock of the database.
#[utoipa::path(
    get, path = "/v1/workers", tag = "operations", security(("api_key" = ["viewer"])), params(ListQuery),
    responses((status = 200, description = "A page of workers", body = Page<FleetWorker>)),
)]
async fn list(State(state): State<AppState>, _: Viewer, Params(query): Params<ListQuery>) -> Result<Json<Page<FleetWorker>>, ApiError> {
    let limit = checked_limit(query.limit)?;
    let after = query.cursor.as_deref().map(decode_cursor).transpose()?.map(|(at, id)| (at, WorkerId(id)));
    let mut conn = state.pool.acquire().await?;
    let workers = list_workers(&mut conn, WorkerFilter { all: query.all, after }, limit + 1).await?;
    Ok(Json(Page::cut(workers, limit, |worker| encode_cursor(worker.started_at, worker.id.0))))
}

/// Shows a worker
#[utoipa::path(
    get, path = "/v1/workers/{id}", tag = "operations", security(("api_key" = ["viewer"])), params(("id" = WorkerId, Path)),
    responses((status = 200, description = "The worker", body = FleetWorker), (status = 404, description = "No such worker", body = Problem)),
)]
async fn show(State(state): State<AppState>, _: Viewer, Segments(id): Segments<WorkerId>) -> Result<Json<FleetWorker>, ApiError> {
    let mut conn = state.pool.acquire().await?;
    Ok(Json(get_worker(&mut conn, id).await?))
}

/// How a worker is to drain.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DrainRequest {
    /// Hand running runs back, with a checkpoint, instead of finishing them.
    #[serde(default)]
    hand_back: bool,
}

/// Asks a worker to drain
///
/// It claims nothing any more and its process ends once it has no run: when its runs have finished, or with `hand_back` as soon
/// as they are handed back with a checkpoint, which costs no attempt. Asking again changes nothing, but `hand_back` can be added.
#[utoipa::path(
    post, path = "/v1/workers/{id}/drain", tag = "operations", security(("api_key" = ["operator"])), params(("id" = WorkerId, Path)),
    request_body(content = Option<DrainRequest>, description = "May be left out"),
    responses(
        (status = 202, description = "The worker, asked to drain", body = FleetWorker),
        (status = 404, description = "No such worker", body = Problem),
        (status = 409, description = "It has stopped already", body = Problem),
    ),
)]
async fn drain(
    State(state): State<AppState>,
    Operator(actor): Operator,
    Segments(id): Segments<WorkerId>,
    body: OptionalJsonBody<DrainRequest>,
) -> Result<(StatusCode, Json<FleetWorker>), ApiError> {
    let DrainRequest { hand_back } = body.value;
    let mut conn = state.pool.acquire().await?;
    Ok((StatusCode::ACCEPTED, Json(ask_to_drain(&mut conn, id, hand_back, &actor.0).await?)))
}
