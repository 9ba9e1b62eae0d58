//! Lineage of a dataset snapshot: the events in it, and the runs trained on it.

use aprendiz_dataset::inspect::{DatasetLineage, DatasetValue, lineage as load_lineage, load_snapshot, values};
use aprendiz_runs::DatasetId;
use axum::Json;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::api::datasets::show::find_dataset;
use crate::api::http::auth::{InScope, Viewer};
use crate::api::http::dedicated_connection::DedicatedConnections;
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, ApiQuery};
use crate::api::http::operation::routes;
use crate::api::http::page::{Page, checked_limit, decode_json_cursor, encode_json_cursor};
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(lineage)).routes(routes!(events))
}

/// Shows the lineage of a dataset snapshot
///
/// The reviewers of its values, the origin of its events, and the runs trained on it.
#[utoipa::path(
    get, path = "/v1/datasets/{id}/lineage", tag = "datasets", params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "The lineage", body = DatasetLineage),
        (status = 404, description = "Snapshot not found", body = Problem),
    ),
)]
async fn lineage(
    InScope(Viewer, scope): InScope<Viewer>,
    database: DedicatedConnections,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<Json<DatasetLineage>, ApiError> {
    let mut conn = database.connect().await?;
    find_dataset(&mut conn, &scope, DatasetId(id)).await?;
    Ok(Json(load_lineage(&mut conn, &scope, id).await?))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct EventQuery {
    /// `next_cursor` of the previous page
    cursor: Option<String>,
    /// Page size, 1 to 200; default 50
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// Lists the annotation events in a dataset snapshot, by document and field
#[utoipa::path(
    get, path = "/v1/datasets/{id}/events", tag = "datasets", params(("id" = Uuid, Path), EventQuery),
    responses(
        (status = 200, description = "A page of events", body = Page<DatasetValue>),
        (status = 404, description = "Snapshot not found", body = Problem),
    ),
)]
async fn events(
    InScope(Viewer, scope): InScope<Viewer>,
    database: DedicatedConnections,
    ApiPath(id): ApiPath<Uuid>,
    ApiQuery(query): ApiQuery<EventQuery>,
) -> Result<Json<Page<DatasetValue>>, ApiError> {
    let limit = checked_limit(query.limit)?;
    let after = query.cursor.as_deref().map(decode_json_cursor).transpose()?;
    let mut conn = database.connect().await?;
    find_dataset(&mut conn, &scope, DatasetId(id)).await?;
    let snapshot = load_snapshot(&mut conn, id).await?;
    let found = values(&mut conn, &snapshot, after.as_ref(), limit + 1).await?;
    Ok(Json(Page::from_items(found, limit, |value| encode_json_cursor(&value.cursor()))))
}
