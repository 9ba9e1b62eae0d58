//! Lists imports.

use aprendiz_annotations::import::{ImportState, list_imports};
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
    /// `next_cursor` of the previous page
    cursor: Option<String>,
    /// Page size, 1 to 200; default 50
    limit: Option<i64>,
}

/// Lists imports, newest first, without their reports
#[utoipa::path(
    get, path = "/v1/imports", tag = "documents", security(("api_key" = ["viewer"])), params(ListQuery),
    responses((status = 200, description = "A page of imports", body = Page<ImportState>)),
)]
async fn list(State(state): State<AppState>, _: Viewer, ApiQuery(query): ApiQuery<ListQuery>) -> Result<Json<Page<ImportState>>, ApiError> {
    let limit = checked_limit(query.limit)?;
    let before = query.cursor.as_deref().map(decode_cursor).transpose()?;
    let mut conn = state.database.read().await?;
    let imports = list_imports(&mut conn, before, limit + 1).await?;
    Ok(Json(Page::from_items(imports, limit, |import| encode_cursor(import.created_at, import.id))))
}
