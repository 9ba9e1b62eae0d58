//! Compares two dataset snapshots.

use aprendiz_dataset::inspect::{Change, DatasetDiff, changes, diff};
use aprendiz_runs::DatasetId;
use axum::Json;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
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
    OpenApiRouter::new().routes(routes!(compare))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DiffQuery {
    /// `next_cursor` of the previous page; later pages have no summary
    cursor: Option<String>,
    /// Page size, 1 to 200; default 50
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// Comparison of two snapshots, with a page of changes.
#[derive(Debug, Serialize, ToSchema)]
struct DiffPage {
    /// Summary of the comparison; null on later pages.
    summary: Option<DatasetDiff>,
    /// Changes, ordered by document, kind and field.
    #[serde(flatten)]
    page: Page<Change>,
}

/// Compares two dataset snapshots
///
/// Reports how the second snapshot differs from the first.
#[utoipa::path(
    get, path = "/v1/datasets/{id}/diff/{other}", tag = "datasets",
    params(
        ("id" = Uuid, Path, description = "The base snapshot"),
        ("other" = Uuid, Path, description = "The snapshot to compare with it"),
        DiffQuery,
    ),
    responses(
        (status = 200, description = "Counts, label drift, and a page of changes", body = DiffPage),
        (status = 404, description = "Snapshot not found", body = Problem),
        (status = 410, description = "A document of one of the snapshots was erased", body = Problem),
    ),
)]
async fn compare(
    InScope(Viewer, scope): InScope<Viewer>,
    database: DedicatedConnections,
    ApiPath((id, other)): ApiPath<(Uuid, Uuid)>,
    ApiQuery(query): ApiQuery<DiffQuery>,
) -> Result<Json<DiffPage>, ApiError> {
    let limit = checked_limit(query.limit)?;
    let after = query.cursor.as_deref().map(decode_json_cursor).transpose()?;
    let mut conn = database.connect().await?;
    for snapshot in [id, other] {
        find_dataset(&mut conn, &scope, DatasetId(snapshot)).await?;
    }
    let summary = match after {
        None => Some(diff(&mut conn, id, other).await?),
        Some(_) => None,
    };
    let found = changes(&mut conn, id, other, after.as_ref(), limit + 1).await?;
    Ok(Json(DiffPage { summary, page: Page::from_items(found, limit, |change| encode_json_cursor(&change.cursor())) }))
}
