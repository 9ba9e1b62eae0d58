//! Explains the state of a training run to people.

use aprendiz_runs::{EquivalentRequest, Explanation, RunId, RunStatus, equivalent_requests, get_run, load_run_facts, render_explanation};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::auth::Viewer;
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::ApiPath;
use crate::api::http::operation::routes;
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(explain))
}

/// Explanation of a run, for users of the command line and of the API.
#[derive(Debug, Serialize, ToSchema)]
struct RunExplanation {
    #[serde(flatten)]
    explanation: Explanation,
    /// The commands in `next_steps`, and the same as requests.
    requests: Vec<EquivalentRequest>,
}

/// Explains the state of a training run
///
/// Why the run waits, what it does, why it failed or was cancelled, and what to do next. The wording may change between releases;
/// programs read the run itself.
#[utoipa::path(
    get, path = "/v1/training-runs/{id}/explain", tag = "training runs", params(("id" = RunId, Path)),
    responses(
        (status = 200, description = "The explanation", body = RunExplanation),
        (status = 404, description = "Run not found", body = Problem),
    ),
)]
async fn explain(State(state): State<AppState>, _: Viewer, ApiPath(id): ApiPath<RunId>) -> Result<Json<RunExplanation>, ApiError> {
    let status = get_run(&mut *state.database.read().await?, id).await?.status;
    // only waiting runs depend on Redis, and an unreachable Redis delays the response until the probe times out
    let redis_error = match status {
        RunStatus::Queued | RunStatus::Retrying => state.redis.status().await.fault.map(|fault| fault.to_string()),
        _ => None,
    };
    let explanation = render_explanation(&load_run_facts(&mut *state.database.snapshot().await?, id, redis_error).await?);
    let requests = equivalent_requests(&explanation.next_steps);
    Ok(Json(RunExplanation { explanation, requests }))
}
