//! Runs many failed or cancelled runs again.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use runs::{RetriedRuns, RetryFilter, RunKind, RunStatus, retry_runs};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::auth::Operator;
use crate::api::error::{ApiError, Problem};
use crate::api::extract::JsonBody;
use crate::api::state::AppState;

const DEFAULT_LIMIT: i64 = 100;
const MAX_LIMIT: i64 = 1_000;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(retry_many))
}

/// Which runs to run again; all given conditions must hold.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RetryRequest {
    /// Which runs: failed or cancelled ones.
    status: Retriable,
    /// Only this failure code.
    error_code: Option<String>,
    /// Only this model name.
    model: Option<String>,
    /// Only this kind.
    kind: Option<RunKind>,
    /// Only runs that ended at this time or later.
    since: Option<DateTime<Utc>>,
    /// Only runs that ended at this time or earlier; null = now.
    until: Option<DateTime<Utc>>,
    /// At most so many, 1 to 1000.
    #[serde(default = "default_limit")]
    limit: i64,
    /// Only count.
    #[serde(default)]
    dry_run: bool,
}

/// A status from which a run can be run again.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Retriable {
    /// Finished without success.
    Failed,
    /// Stopped on request.
    Cancelled,
}

const fn default_limit() -> i64 {
    DEFAULT_LIMIT
}

/// Runs many failed or cancelled runs again
///
/// Those that ended first come first; each gets a full budget of attempts. All in one transaction. While `more` is true, send it
/// again, with `until` set to the `as_of` of the first answer: then runs that fail again meanwhile are left alone.
#[utoipa::path(
    post, path = "/v1/training-runs/retry", tag = "training runs", security(("api_key" = ["operator"])), request_body = RetryRequest,
    responses((status = 200, description = "What was queued again", body = RetriedRuns), (status = 422, description = "Not such a filter", body = Problem)),
)]
async fn retry_many(
    State(state): State<AppState>,
    Operator(actor): Operator,
    body: JsonBody<RetryRequest>,
) -> Result<Json<RetriedRuns>, ApiError> {
    let RetryRequest { status, error_code, model, kind, since, until, limit, dry_run } = body.value;
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(ApiError::unprocessable("invalid_body", format!("limit is {limit}: it must be between 1 and {MAX_LIMIT}")));
    }
    let status = match status {
        Retriable::Failed => RunStatus::Failed,
        Retriable::Cancelled => RunStatus::Cancelled,
    };
    let filter = RetryFilter { status, error_code, model, kind, since, until };
    let mut conn = state.pool.acquire().await?;
    Ok(Json(retry_runs(&mut conn, &filter, limit, dry_run, &actor.0).await?))
}
