//! Lists and shows models and their versions.

use aprendiz_runs::{ModelSummary, ModelVersion, list_models, list_versions};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::http::auth::Viewer;
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, ApiQuery};
use crate::api::http::page::{Page, checked_limit};
use crate::api::models::version::find_model_version;
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(versions)).routes(routes!(version))
}

/// Lists the models that have published versions, by name
#[utoipa::path(
    get, path = "/v1/models", tag = "models", security(("api_key" = ["viewer"])),
    responses((status = 200, description = "All models", body = Page<ModelSummary>)),
)]
async fn list(State(state): State<AppState>, _: Viewer) -> Result<Json<Page<ModelSummary>>, ApiError> {
    let mut conn = state.database.read().await?;
    Ok(Json(Page { items: list_models(&mut conn).await?, next_cursor: None }))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct VersionsQuery {
    /// `next_cursor` of the previous page; only versions with a smaller number are returned
    cursor: Option<i32>,
    /// Page size, 1 to 200; default 50
    limit: Option<i64>,
}

/// Lists the versions of a model, newest first
#[utoipa::path(
    get, path = "/v1/models/{name}/versions", tag = "models", security(("api_key" = ["viewer"])),
    params(("name" = String, Path), VersionsQuery),
    responses(
        (status = 200, description = "A page of versions", body = Page<ModelVersion>),
        (status = 404, description = "Model not found", body = Problem),
    ),
)]
async fn versions(
    State(state): State<AppState>,
    _: Viewer,
    ApiPath(name): ApiPath<String>,
    ApiQuery(query): ApiQuery<VersionsQuery>,
) -> Result<Json<Page<ModelVersion>>, ApiError> {
    let limit = checked_limit(query.limit)?;
    let mut conn = state.database.read().await?;
    let versions = list_versions(&mut conn, &name, query.cursor, limit + 1).await?;
    if versions.is_empty() {
        find_model_version(&mut conn, &name, None).await?;
    }
    Ok(Json(Page::from_items(versions, limit, |version| version.number.to_string())))
}

/// Shows a version of a model
#[utoipa::path(
    get, path = "/v1/models/{name}/versions/{number}", tag = "models", security(("api_key" = ["viewer"])),
    params(("name" = String, Path), ("number" = i32, Path)),
    responses(
        (status = 200, description = "The version", body = ModelVersion),
        (status = 404, description = "Version not found", body = Problem),
    ),
)]
async fn version(
    State(state): State<AppState>,
    _: Viewer,
    ApiPath((name, number)): ApiPath<(String, i32)>,
) -> Result<Json<ModelVersion>, ApiError> {
    let mut conn = state.database.read().await?;
    Ok(Json(find_model_version(&mut conn, &name, Some(number)).await?))
}
