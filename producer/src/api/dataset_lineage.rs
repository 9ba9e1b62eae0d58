//! Where a snapshot comes from, and what was made of it.

use axum::Json;
use axum::extract::State;
use dataset::inspect::{DatasetLineage, DatasetValue, lineage as lineage_of, recorded, values};
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
    OpenApiRouter::new().routes(routes!(lineage)).routes(routes!(events))
}

/// Says who reviewed what a dataset snapshot holds, where it comes from, and what was trained on it
#[utoipa::path(
    get, path = "/v1/datasets/{id}/lineage", tag = "datasets", security(("api_key" = ["viewer"])), params(("id" = Uuid, Path)),
    responses((status = 200, description = "The lineage", body = DatasetLineage), (status = 404, description = "No such snapshot", body = Problem)),
)]
async fn lineage(State(state): State<AppState>, _: Viewer, Segments(id): Segments<Uuid>) -> Result<Json<DatasetLineage>, ApiError> {
    let mut conn = long_read::connect(&state).await?;
    Ok(Json(lineage_of(&mut conn, id).await?))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct EventQuery {
    /// `next_cursor` of the page before
    cursor: Option<String>,
    /// Events on a page, 1 to 200; default 50
    limit: Option<i64>,
}

/// Lists the events that a dataset snapshot consists of, by document and field
#[utoipa::path(
    get, path = "/v1/datasets/{id}/events", tag = "datasets", security(("api_key" = ["viewer"])), params(("id" = Uuid, Path), EventQuery),
    responses((status = 200, description = "A page of events", body = Page<DatasetValue>), (status = 404, description = "No such snapshot", body = Problem)),
)]
async fn events(
    State(state): State<AppState>,
    _: Viewer,
    Segments(id): Segments<Uuid>,
    Params(query): Params<EventQuery>,
) -> Result<Json<Page<DatasetValue>>, ApiError> {
    let limit = checked_limit(query.limit)?;
    let after = query.cursor.as_deref().map(decode_own_cursor).transpose()?;
    let mut conn = long_read::connect(&state).await?;
    let snapshot = recorded(&mut conn, id).await?;
    let found = values(&mut conn, &snapshot, after.as_ref(), limit + 1).await?;
    Ok(Json(Page::cut(found, limit, |value| encode_own_cursor(&value.cursor()))))
}
