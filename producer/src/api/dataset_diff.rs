//! What changed from one snapshot to another.

use axum::Json;
use axum::extract::State;
use dataset::inspect::{Change, DatasetDiff, changes, diff};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::auth::Viewer;
use crate::api::error::{ApiError, Problem};
use crate::api::extract::{Params, Segments};
use crate::api::long_read;
use crate::api::page::{Page, checked_limit, decode_own_cursor, encode_own_cursor};
use crate::api::state::AppState;

/// Takes as long as the snapshots are large.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(compare))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DiffQuery {
    /// `next_cursor` of the page before: then only the page is answered, not counted again
    cursor: Option<String>,
    /// Changes on a page, 1 to 200; default 50
    limit: Option<i64>,
}

/// Two snapshots compared, with a page of their changes.
#[derive(Debug, Serialize, ToSchema)]
struct DiffPage {
    /// The comparison as a whole; null on later pages.
    summary: Option<DatasetDiff>,
    /// Changes by document, kind and field.
    #[serde(flatten)]
    page: Page<Change>,
}

/// Compares two dataset snapshots: what the second has otherwise than the first
#[utoipa::path(
    get, path = "/v1/datasets/{id}/diff/{other}", tag = "datasets", security(("api_key" = ["viewer"])),
    params(("id" = Uuid, Path, description = "The first"), ("other" = Uuid, Path, description = "The second"), DiffQuery),
    responses(
        (status = 200, description = "Counts, drift of the labels, and a page of changes", body = DiffPage),
        (status = 404, description = "No such snapshot", body = Problem),
        (status = 410, description = "A document in one of them was erased", body = Problem),
    ),
)]
async fn compare(
    State(state): State<AppState>,
    _: Viewer,
    Segments((id, other)): Segments<(Uuid, Uuid)>,
    Params(query): Params<DiffQuery>,
) -> Result<Json<DiffPage>, ApiError> {
    let limit = checked_limit(query.limit)?;
    let after = query.cursor.as_deref().map(decode_own_cursor).transpose()?;
    let mut conn = long_read::connect(&state).await?;
    let summary = match after {
        None => Some(diff(&mut conn, id, other).await?),
        Some(_) => None,
    };
    let found = changes(&mut conn, id, other, after.as_ref(), limit + 1).await?;
    Ok(Json(DiffPage { summary, page: Page::cut(found, limit, |change| encode_own_cursor(&change.cursor())) }))
}
