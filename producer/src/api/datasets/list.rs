//! Lists dataset snapshots, and builds one.

use aprendiz_run_spec::{RunKind, RunSpec};
use aprendiz_runs::{CreateRun, DatasetId, DatasetSummary, TrainingRun, list_datasets};
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::auth::{InScope, Operator, Viewer};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiQuery, JsonBody};
use crate::api::http::operation::routes;
use crate::api::http::page::{Page, checked_limit, decode_json_cursor, encode_json_cursor};
use crate::api::http::request_headers::RunHeaders;
use crate::api::runs::create::{accepted, create_in_scope};
use crate::api::runs::validation::validate_spec;
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list, build))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// `next_cursor` of the previous page
    cursor: Option<String>,
    /// Page size, 1 to 200; default 50
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// Lists dataset snapshots, newest first
#[utoipa::path(
    get, path = "/v1/datasets", tag = "datasets", params(ListQuery),
    responses((status = 200, description = "A page of snapshots", body = Page<DatasetSummary>)),
)]
async fn list(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> Result<Json<Page<DatasetSummary>>, ApiError> {
    let limit = checked_limit(query.limit)?;
    let after: Option<DatasetId> = query.cursor.as_deref().map(decode_json_cursor).transpose()?;
    let mut conn = state.database.read().await?;
    let datasets = list_datasets(&mut conn, &scope, after, limit + 1).await?;
    Ok(Json(Page::from_items(datasets, limit, |dataset| encode_json_cursor(&dataset.id))))
}

/// Builds a dataset snapshot without training
///
/// Creates a run that ends after the phase `dataset`. An equal snapshot is reused. A run for the same data reuses the snapshot.
#[utoipa::path(
    post, path = "/v1/datasets", tag = "datasets", request_body = RunSpec,
    responses(
        (status = 200, description = "With `unique`: the equal run that waits or runs", body = TrainingRun, headers(("Location" = String))),
        (status = 202, description = "The run; Location holds its URL", body = TrainingRun, headers(("Location" = String))),
        (status = 422, description = "Invalid spec; `future_time`: `as_of` is in the future", body = Problem),
    ),
)]
async fn build(
    State(state): State<AppState>,
    InScope(Operator(actor), scope): InScope<Operator>,
    headers: RunHeaders,
    body: JsonBody<RunSpec>,
) -> Result<Response, ApiError> {
    if matches!(body.value.kind, RunKind::Evaluate | RunKind::Predict) {
        let detail = format!("kind `{}` trains nothing: choose the kind that will be trained on the snapshot", body.value.kind);
        return Err(ApiError::unprocessable("invalid_spec", detail));
    }
    let mut tx = state.database.begin().await?;
    let spec = validate_spec(&mut tx, &scope, body.value).await?;
    let request = CreateRun {
        spec,
        actor: &actor.name,
        on_behalf_of: None,
        idempotency: headers.idempotency(format!("dataset {}", body.sha256)),
        dataset_only: true,
        parent_run_id: None,
        position: None,
        trace_parent: headers.trace_parent(),
        trace_state: headers.trace_state(),
    };
    let created = create_in_scope(&mut tx, &scope, request).await?;
    tx.commit().await?;
    Ok(accepted(created))
}
