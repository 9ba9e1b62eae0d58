//! Lists training runs.

use aprendiz_run_spec::RunKind;
use aprendiz_runs::{RunFilter, RunId, RunStatus, TrainingRun, list_runs};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::http::auth::Viewer;
use crate::api::http::error::ApiError;
use crate::api::http::extract::ApiQuery;
use crate::api::http::page::{Page, checked_limit, decode_cursor, encode_cursor};
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only runs with this status
    status: Option<RunStatus>,
    /// Only runs of this kind
    kind: Option<RunKind>,
    /// Only runs for this model name
    model: Option<String>,
    /// Only child runs of this run
    parent: Option<RunId>,
    /// `next_cursor` of the previous page
    cursor: Option<String>,
    /// Page size, 1 to 200; default 50
    limit: Option<i64>,
}

/// Lists training runs, newest first
#[utoipa::path(
    get, path = "/v1/training-runs", tag = "training runs", security(("api_key" = ["viewer"])), params(ListQuery),
    responses((status = 200, description = "A page of runs", body = Page<TrainingRun>)),
)]
async fn list(State(state): State<AppState>, _: Viewer, ApiQuery(query): ApiQuery<ListQuery>) -> Result<Json<Page<TrainingRun>>, ApiError> {
    let limit = checked_limit(query.limit)?;
    let after = query.cursor.as_deref().map(decode_cursor).transpose()?.map(|(at, id)| (at, RunId(id)));
    let filter = RunFilter { status: query.status, kind: query.kind, model: query.model, parent: query.parent, after };
    let mut conn = state.database.read().await?;
    let runs = list_runs(&mut conn, &filter, limit + 1).await?;
    Ok(Json(Page::from_items(runs, limit, |run| encode_cursor(run.created_at, run.id.0))))
}
