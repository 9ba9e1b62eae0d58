//! Why a run waits, what it does, why it failed, and what to do next.

use axum::Json;
use axum::extract::State;
use runs::{Explanation, RunId, RunStatus, explain_facts, get_run, words};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::auth::Viewer;
use crate::api::error::{ApiError, Problem};
use crate::api::extract::Segments;
use crate::api::state::AppState;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(explain))
}

/// Explains a training run in words
///
/// Why it waits, what it does, why it failed or was cancelled, and what to do next. The sentences are for people and may change;
/// programs read the run itself.
#[utoipa::path(
    get, path = "/v1/training-runs/{id}/explain", tag = "training runs", security(("api_key" = ["viewer"])), params(("id" = RunId, Path)),
    responses((status = 200, description = "In words", body = Explanation), (status = 404, description = "No such run", body = Problem)),
)]
async fn explain(State(state): State<AppState>, _: Viewer, Segments(id): Segments<RunId>) -> Result<Json<Explanation>, ApiError> {
    let mut conn = state.pool.acquire().await?;
    // Redis matters to waiting runs only, and may take its time to say nothing
    let redis_answers = match get_run(&mut conn, id).await?.status {
        RunStatus::Queued | RunStatus::Retrying => Some(state.redis.depth().await.is_ok()),
        _ => None,
    };
    Ok(Json(words(&explain_facts(&mut conn, id, redis_answers).await?)))
}
