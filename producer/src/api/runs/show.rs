//! Shows a training run, its attempts and its metrics.

use aprendiz_runs::{Attempt, Metric, RunId, SweepChild, TrainingRun, find_run, list_attempts, list_metrics, list_trials};
use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::auth::{InScope, Viewer};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::ApiPath;
use crate::api::http::operation::routes;
use crate::api::http::page::Page;
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(show)).routes(routes!(attempts)).routes(routes!(metrics)).routes(routes!(trials))
}

/// Shows a training run
#[utoipa::path(
    get, path = "/v1/training-runs/{id}", tag = "training runs", params(("id" = RunId, Path)),
    responses((status = 200, description = "The run", body = TrainingRun), (status = 404, description = "Run not found", body = Problem)),
)]
async fn show(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    ApiPath(id): ApiPath<RunId>,
) -> Result<Json<TrainingRun>, ApiError> {
    let mut conn = state.database.read().await?;
    Ok(Json(find_run(&mut conn, &scope, id).await?))
}

/// Lists the attempts of a run, oldest first
#[utoipa::path(
    get, path = "/v1/training-runs/{id}/attempts", tag = "training runs", params(("id" = RunId, Path)),
    responses((status = 200, description = "All attempts", body = Page<Attempt>), (status = 404, description = "Run not found", body = Problem)),
)]
async fn attempts(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    ApiPath(id): ApiPath<RunId>,
) -> Result<Json<Page<Attempt>>, ApiError> {
    let mut conn = state.database.read().await?;
    find_run(&mut conn, &scope, id).await?;
    Ok(Json(Page { items: list_attempts(&mut conn, id).await?, next_cursor: None }))
}

/// Lists the metrics of a run, by field
#[utoipa::path(
    get, path = "/v1/training-runs/{id}/metrics", tag = "training runs", params(("id" = RunId, Path)),
    responses((status = 200, description = "All metrics", body = Page<Metric>), (status = 404, description = "Run not found", body = Problem)),
)]
async fn metrics(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    ApiPath(id): ApiPath<RunId>,
) -> Result<Json<Page<Metric>>, ApiError> {
    let mut conn = state.database.read().await?;
    find_run(&mut conn, &scope, id).await?;
    Ok(Json(Page { items: list_metrics(&mut conn, id).await?, next_cursor: None }))
}

/// Lists the trials of a sweep, best first
///
/// The winner comes first, then the latest rung, in it the best trial by the metric of the sweep. Trials without a result come last. A run
/// of another kind has no trials.
#[utoipa::path(
    get, path = "/v1/training-runs/{id}/trials", tag = "training runs", params(("id" = RunId, Path)),
    responses((status = 200, description = "All trials created so far", body = Page<SweepChild>), (status = 404, description = "Run not found", body = Problem)),
)]
async fn trials(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    ApiPath(id): ApiPath<RunId>,
) -> Result<Json<Page<SweepChild>>, ApiError> {
    let mut conn = state.database.read().await?;
    let run = find_run(&mut conn, &scope, id).await?;
    Ok(Json(Page { items: list_trials(&mut conn, &run).await?, next_cursor: None }))
}
