//! Shows a training run, its attempts and its metrics.

use aprendiz_runs::{Attempt, Metric, RunId, TrainingRun, get_run, list_attempts, list_metrics};
use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::http::auth::Viewer;
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::ApiPath;
use crate::api::http::page::Page;
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(show)).routes(routes!(attempts)).routes(routes!(metrics))
}

/// Shows a training run
#[utoipa::path(
    get, path = "/v1/training-runs/{id}", tag = "training runs", security(("api_key" = ["viewer"])), params(("id" = RunId, Path)),
    responses((status = 200, description = "The run", body = TrainingRun), (status = 404, description = "Run not found", body = Problem)),
)]
async fn show(State(state): State<AppState>, _: Viewer, ApiPath(id): ApiPath<RunId>) -> Result<Json<TrainingRun>, ApiError> {
    let mut conn = state.database.read().await?;
    Ok(Json(get_run(&mut conn, id).await?))
}

/// Lists the attempts of a run, oldest first
#[utoipa::path(
    get, path = "/v1/training-runs/{id}/attempts", tag = "training runs", security(("api_key" = ["viewer"])), params(("id" = RunId, Path)),
    responses((status = 200, description = "All attempts", body = Page<Attempt>)),
)]
async fn attempts(State(state): State<AppState>, _: Viewer, ApiPath(id): ApiPath<RunId>) -> Result<Json<Page<Attempt>>, ApiError> {
    let mut conn = state.database.read().await?;
    get_run(&mut conn, id).await?;
    Ok(Json(Page { items: list_attempts(&mut conn, id).await?, next_cursor: None }))
}

/// Lists the metrics of a run, by field
#[utoipa::path(
    get, path = "/v1/training-runs/{id}/metrics", tag = "training runs", security(("api_key" = ["viewer"])), params(("id" = RunId, Path)),
    responses((status = 200, description = "All metrics", body = Page<Metric>)),
)]
async fn metrics(State(state): State<AppState>, _: Viewer, ApiPath(id): ApiPath<RunId>) -> Result<Json<Page<Metric>>, ApiError> {
    let mut conn = state.database.read().await?;
    get_run(&mut conn, id).await?;
    Ok(Json(Page { items: list_metrics(&mut conn, id).await?, next_cursor: None }))
}
