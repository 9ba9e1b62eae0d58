//! Describes the kinds of runs.

use aprendiz_run_spec::KindInfo;
use axum::Json;
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::auth::{InScope, Viewer};
use crate::api::http::error::ApiError;
use crate::api::http::operation::routes;
use crate::api::http::page::Page;
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Lists the kinds of runs and their parameters, with defaults and ranges
#[utoipa::path(
    get, path = "/v1/run-kinds", tag = "training runs",
    responses((status = 200, description = "All kinds that this server can run", body = Page<KindInfo>)),
)]
async fn list(_: InScope<Viewer>) -> Result<Json<Page<KindInfo>>, ApiError> {
    Ok(Json(Page { items: KindInfo::all(), next_cursor: None }))
}
