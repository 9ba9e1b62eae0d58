//! Shows an import.

use aprendiz_annotations::import::{ImportState, import_state};
use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::http::auth::Viewer;
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::ApiPath;
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(show))
}

/// Shows an import: its progress, or its report
#[utoipa::path(
    get, path = "/v1/imports/{id}", tag = "documents", security(("api_key" = ["viewer"])), params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "The import", body = ImportState),
        (status = 404, description = "Import not found", body = Problem),
    ),
)]
async fn show(State(state): State<AppState>, _: Viewer, ApiPath(id): ApiPath<Uuid>) -> Result<Json<ImportState>, ApiError> {
    let mut conn = state.database.read().await?;
    import_state(&mut conn, id).await?.map(Json).ok_or_else(|| import_not_found(id))
}

pub(super) fn import_not_found(id: Uuid) -> ApiError {
    ApiError::not_found(format!("import {id} not found"))
}
