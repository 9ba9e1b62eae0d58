//! What is in a snapshot, and how good its labels are.

use axum::Json;
use axum::extract::State;
use dataset::inspect::{Conflict, DatasetReport, conflicts as list_conflicts, recorded, report as report_on};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::auth::Viewer;
use crate::api::error::{ApiError, Problem};
use crate::api::extract::{Params, Segments};
use crate::api::long_read;
use crate::api::page::{Page, checked_limit, decode_own_cursor, encode_own_cursor};
use crate::api::state::AppState;

/// Takes as long as the snapshot is large.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(report)).routes(routes!(conflicts))
}

/// Reports on a dataset snapshot: labels, rare labels, what was left out, conflicts, agreement of reviewers
#[utoipa::path(
    get, path = "/v1/datasets/{id}/report", tag = "datasets", security(("api_key" = ["viewer"])), params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "The report", body = DatasetReport),
        (status = 404, description = "No such snapshot", body = Problem),
        (status = 410, description = "A document in it was erased", body = Problem),
    ),
)]
async fn report(State(state): State<AppState>, _: Viewer, Segments(id): Segments<Uuid>) -> Result<Json<DatasetReport>, ApiError> {
    let mut conn = long_read::connect(&state).await?;
    Ok(Json(report_on(&mut conn, id).await?))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ConflictQuery {
    /// `next_cursor` of the page before
    cursor: Option<String>,
    /// Conflicts on a page, 1 to 200; default 50
    limit: Option<i64>,
}

/// Lists fields that have different accepted values in documents with the same text
#[utoipa::path(
    get, path = "/v1/datasets/{id}/conflicts", tag = "datasets", security(("api_key" = ["viewer"])), params(("id" = Uuid, Path), ConflictQuery),
    responses(
        (status = 200, description = "A page of conflicts", body = Page<Conflict>),
        (status = 404, description = "No such snapshot", body = Problem),
        (status = 410, description = "A document in it was erased", body = Problem),
    ),
)]
async fn conflicts(
    State(state): State<AppState>,
    _: Viewer,
    Segments(id): Segments<Uuid>,
    Params(query): Params<ConflictQuery>,
) -> Result<Json<Page<Conflict>>, ApiError> {
    let limit = checked_limit(query.limit)?;
    let after = query.cursor.as_deref().map(decode_own_cursor).transpose()?;
    let mut conn = long_read::connect(&state).await?;
    let snapshot = recorded(&mut conn, id).await?.with_content()?;
    let found = list_conflicts(&mut conn, &snapshot, after.as_ref(), limit + 1).await?;
    Ok(Json(Page::cut(found, limit, |conflict| encode_own_cursor(&conflict.cursor()))))
}
