//! Cancels a training run.

use aprendiz_runs::{RunId, TrainingRun, cancel_run, find_run};
use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::auth::{InScope, Operator};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::ApiPath;
use crate::api::http::operation::routes;
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(cancel))
}

/// Cancels a training run
///
/// A waiting run is cancelled at once. A running one becomes `cancelling`, and its worker stops it within seconds.
#[utoipa::path(
    post, path = "/v1/training-runs/{id}/cancel", tag = "training runs", params(("id" = RunId, Path)),
    responses(
        (status = 200, description = "The run", body = TrainingRun),
        (status = 404, description = "Run not found", body = Problem),
        (status = 409, description = "The run has already ended", body = Problem),
    ),
)]
async fn cancel(
    State(state): State<AppState>,
    InScope(Operator(actor), scope): InScope<Operator>,
    ApiPath(id): ApiPath<RunId>,
) -> Result<Json<TrainingRun>, ApiError> {
    let mut tx = state.database.begin().await?;
    find_run(&mut tx, &scope, id).await?;
    let run = cancel_run(&mut tx, id, &actor.name).await?;
    tx.commit().await?;
    Ok(Json(run))
}
