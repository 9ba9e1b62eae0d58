//! Lists training runs.

use aprendiz_run_spec::RunKind;
use aprendiz_runs::{RankedRun, RunFilter, RunId, RunStatus, TrainingRun, list_runs, list_runs_by_metric};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::auth::{InScope, Viewer};
use crate::api::http::error::ApiError;
use crate::api::http::extract::ApiQuery;
use crate::api::http::operation::routes;
use crate::api::http::page::{Page, checked_limit, decode_cursor, decode_json_cursor, encode_cursor, encode_json_cursor};
use crate::api::http::pairs::parse_pairs;
use crate::api::runs::sort::parse_sort;
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
    /// Include the trials of sweeps, which are left out unless `parent` names their sweep
    trials: Option<bool>,
    /// Only runs with this tag: `KEY=VALUE`, or a JSON object of several
    tag: Option<String>,
    /// `metric:FIELD/NAME`, or `metric:NAME` over all fields: sorts by this metric on the test split, `@SPLIT` for another one. Runs without
    /// it come last. Default: newest first
    sort: Option<String>,
    /// With `sort`: `desc` (default) or `asc`
    #[param(inline)]
    order: Option<Direction>,
    /// `next_cursor` of the previous page
    cursor: Option<String>,
    /// Page size, 1 to 200; default 50
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// Direction of a sorted list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub(in crate::api) enum Direction {
    /// Smallest value first.
    Asc,
    /// Greatest value first.
    Desc,
}

/// A run in a list.
#[derive(Debug, Serialize, ToSchema)]
struct ListedRun {
    /// The run.
    #[serde(flatten)]
    run: TrainingRun,
    /// Value of the metric in `sort`; missing if the run does not have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    sort_value: Option<f64>,
}

/// Lists training runs, newest first or by a metric
#[utoipa::path(
    get, path = "/v1/training-runs", tag = "training runs", params(ListQuery),
    responses((status = 200, description = "A page of runs", body = Page<ListedRun>)),
)]
async fn list(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> Result<Json<Page<ListedRun>>, ApiError> {
    let limit = checked_limit(query.limit)?;
    let tags = query.tag.as_deref().map(|text| parse_pairs("tag", text)).transpose()?.unwrap_or_default();
    let hide_trials = query.trials != Some(true) && query.parent.is_none();
    let filter =
        RunFilter { status: query.status, kind: query.kind, model: query.model, parent: query.parent, hide_trials, tags, after: None };
    let mut conn = state.database.read().await?;
    if let Some(sort) = &query.sort {
        let order = parse_sort(sort, query.order == Some(Direction::Asc))?;
        let after = query.cursor.as_deref().map(decode_json_cursor).transpose()?;
        let ranked =
            list_runs_by_metric(&mut conn, &scope, &filter, &order, after, usize::try_from(limit + 1).unwrap_or(usize::MAX)).await?;
        let page = Page::from_items(ranked, limit, |ranked| encode_json_cursor(&ranked.cursor()));
        let items = page.items.into_iter().map(|RankedRun { run, value }| ListedRun { run, sort_value: value }).collect();
        return Ok(Json(Page { items, next_cursor: page.next_cursor }));
    }
    if query.order.is_some() {
        return Err(ApiError::unprocessable("invalid_query", "order requires sort"));
    }
    let after = query.cursor.as_deref().map(decode_cursor).transpose()?.map(|(at, id)| (at, RunId(id)));
    let runs = list_runs(&mut conn, &scope, &RunFilter { after, ..filter }, limit + 1).await?;
    let page = Page::from_items(runs, limit, |run| encode_cursor(run.created_at, run.id.0));
    let items = page.items.into_iter().map(|run| ListedRun { run, sort_value: None }).collect();
    Ok(Json(Page { items, next_cursor: page.next_cursor }))
}
