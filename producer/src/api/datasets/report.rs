//! Reports the contents and the label quality of a dataset snapshot.

use aprendiz_dataset::inspect::{Conflict, DatasetReport, conflicts as list_conflicts, load_snapshot, report as report_on};
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
    OpenApiRouter::new().routes(routes!(report)).routes(routes!(conflicts))
}

/// Reports on a dataset snapshot: labels, rare labels, exclusions, conflicts, reviewer agreement
#[utoipa::path(
    get, path = "/v1/datasets/{id}/report", tag = "datasets", params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "The report", body = DatasetReport),
        (status = 404, description = "Snapshot not found", body = Problem),
        (status = 410, description = "A document of the snapshot was erased", body = Problem),
    ),
)]
async fn report(
    InScope(Viewer, scope): InScope<Viewer>,
    database: DedicatedConnections,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<Json<DatasetReport>, ApiError> {
    let mut conn = database.connect().await?;
    find_dataset(&mut conn, &scope, DatasetId(id)).await?;
    Ok(Json(report_on(&mut conn, id).await?))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ConflictQuery {
    /// `next_cursor` of the previous page
    cursor: Option<String>,
    /// Page size, 1 to 200; default 50
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// Lists fields with different accepted values in documents that have the same text
#[utoipa::path(
    get, path = "/v1/datasets/{id}/conflicts", tag = "datasets",
    params(("id" = Uuid, Path), ConflictQuery),
    responses(
        (status = 200, description = "A page of conflicts", body = Page<Conflict>),
        (status = 404, description = "Snapshot not found", body = Problem),
        (status = 410, description = "A document of the snapshot was erased", body = Problem),
    ),
)]
async fn conflicts(
    InScope(Viewer, scope): InScope<Viewer>,
    database: DedicatedConnections,
    ApiPath(id): ApiPath<Uuid>,
    ApiQuery(query): ApiQuery<ConflictQuery>,
) -> Result<Json<Page<Conflict>>, ApiError> {
    let limit = checked_limit(query.limit)?;
    let after = query.cursor.as_deref().map(decode_json_cursor).transpose()?;
    let mut conn = database.connect().await?;
    find_dataset(&mut conn, &scope, DatasetId(id)).await?;
    let snapshot = load_snapshot(&mut conn, id).await?.with_content()?;
    let found = list_conflicts(&mut conn, &snapshot, after.as_ref(), limit + 1).await?;
    Ok(Json(Page::from_items(found, limit, |conflict| encode_json_cursor(&conflict.cursor()))))
}
