//! The API key of a request.

use aprendiz_runs::ApiKey;
use axum::Json;
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::auth::CurrentKey;
use crate::api::http::error::ApiError;
use crate::api::http::operation::routes;
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(current))
}

/// Shows the API key of the request: its name and role
#[utoipa::path(
    get, path = "/v1/keys/current", tag = "operations",
    responses((status = 200, description = "The key, without its secret", body = ApiKey)),
)]
async fn current(CurrentKey(key): CurrentKey) -> Result<Json<ApiKey>, ApiError> {
    Ok(Json(key))
}
