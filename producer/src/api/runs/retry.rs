//! Retries failed or cancelled training runs: one by id, or many by filter.

use aprendiz_annotation_types::deserialize_time;
use aprendiz_run_spec::RunKind;
use aprendiz_runs::{RetriedRuns, RetryFilter, RunId, RunStatus, TrainingRun, find_run, retry_run, retry_runs};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::auth::{InScope, Operator};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, JsonBody};
use crate::api::http::operation::routes;
use crate::api::state::AppState;

const DEFAULT_LIMIT: i64 = 100;
const MAX_LIMIT: i64 = 1_000;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(retry)).routes(routes!(retry_many))
}

/// Retries a failed or cancelled run
#[utoipa::path(
    post, path = "/v1/training-runs/{id}/retry", tag = "training runs", params(("id" = RunId, Path)),
    responses(
        (status = 202, description = "The run, queued again", body = TrainingRun),
        (status = 404, description = "Run not found", body = Problem),
        (status = 409, description = "The run is neither failed nor cancelled", body = Problem),
    ),
)]
async fn retry(
    State(state): State<AppState>,
    InScope(Operator(actor), scope): InScope<Operator>,
    ApiPath(id): ApiPath<RunId>,
) -> Result<Response, ApiError> {
    let mut tx = state.database.begin().await?;
    find_run(&mut tx, &scope, id).await?;
    let run = retry_run(&mut tx, id, &actor.name).await?;
    tx.commit().await?;
    Ok((StatusCode::ACCEPTED, Json(run)).into_response())
}

/// Filter of the runs to retry; all given conditions must match.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RetryRequest {
    /// Status of the runs to retry.
    status: RetriableStatus,
    /// Only runs with this error code.
    error_code: Option<String>,
    /// Only runs for this model name.
    model: Option<String>,
    /// Only runs of this kind.
    kind: Option<RunKind>,
    /// Only runs that ended at or after this time.
    #[serde(default, deserialize_with = "deserialize_time")]
    since: Option<DateTime<Utc>>,
    /// Only runs that ended at or before this time; null = now.
    #[serde(default, deserialize_with = "deserialize_time")]
    until: Option<DateTime<Utc>>,
    /// Maximum number of runs, 1 to 1000; default 100.
    #[serde(default = "default_limit")]
    #[schema(minimum = 1, maximum = 1000)]
    limit: i64,
    /// Only counts the matching runs.
    #[serde(default)]
    dry_run: bool,
}

/// A status from which a run can be retried.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub(in crate::api) enum RetriableStatus {
    /// Ended without success.
    Failed,
    /// Stopped on request.
    Cancelled,
}

const fn default_limit() -> i64 {
    DEFAULT_LIMIT
}

/// Retries many failed or cancelled runs
///
/// Runs that ended first are requeued first, each with all its attempts again, in one transaction. While `more` is true, repeat the
/// request with `until` set to the `as_of` of the first response: runs that fail again in the meantime are then skipped.
#[utoipa::path(
    post, path = "/v1/training-runs/retry", tag = "training runs", request_body = RetryRequest,
    responses(
        (status = 200, description = "The requeued runs", body = RetriedRuns),
        (status = 422, description = "Invalid filter", body = Problem),
    ),
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
        RetriableStatus::Failed => RunStatus::Failed,
        RetriableStatus::Cancelled => RunStatus::Cancelled,
    };
    let filter = RetryFilter { status, error_code, model, kind, since, until };
    let mut tx = state.database.begin().await?;
    let retried = retry_runs(&mut tx, &filter, limit, dry_run, &actor.name).await?;
    tx.commit().await?;
    Ok(Json(retried))
}
