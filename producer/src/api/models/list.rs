//! Lists and shows models and their versions.

use aprendiz_runs::{FieldHeadline, ModelSummary, ModelVersion, RunId, list_headlines, list_models, list_versions};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::auth::{InScope, Viewer};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, ApiQuery};
use crate::api::http::operation::routes;
use crate::api::http::page::{Page, checked_limit, decode_json_cursor, encode_json_cursor};
use crate::api::models::version::{find_model_version, require_model};
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(versions)).routes(routes!(version))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ModelsQuery {
    /// `next_cursor` of the previous page
    cursor: Option<String>,
    /// Page size, 1 to 200; default 50
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// Lists the models that have published versions, by name
#[utoipa::path(
    get, path = "/v1/models", tag = "models", params(ModelsQuery),
    responses((status = 200, description = "A page of models", body = Page<ModelSummary>)),
)]
async fn list(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    ApiQuery(query): ApiQuery<ModelsQuery>,
) -> Result<Json<Page<ModelSummary>>, ApiError> {
    let limit = checked_limit(query.limit)?;
    let after: Option<String> = query.cursor.as_deref().map(decode_json_cursor).transpose()?;
    let mut conn = state.database.read().await?;
    let models = list_models(&mut conn, &scope, after.as_deref(), limit + 1).await?;
    Ok(Json(Page::from_items(models, limit, |model| encode_json_cursor(&model.name))))
}

/// A version with its main metrics.
#[derive(Debug, Serialize, ToSchema)]
struct MeasuredVersion {
    /// The version.
    #[serde(flatten)]
    version: ModelVersion,
    /// Main metrics on the test split per field, by name; over all fields last.
    metrics: Vec<FieldHeadline>,
}

/// Adds the main metrics to versions.
async fn measure(conn: &mut PgConnection, versions: Vec<ModelVersion>) -> Result<Vec<MeasuredVersion>, ApiError> {
    let runs: Vec<RunId> = versions.iter().map(|version| version.run_id).collect();
    let headlines = list_headlines(conn, &runs).await?;
    Ok(versions.into_iter().zip(headlines).map(|(version, headline)| MeasuredVersion { version, metrics: headline.fields }).collect())
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct VersionsQuery {
    /// `next_cursor` of the previous page; only versions with a smaller number are returned
    cursor: Option<i32>,
    /// Page size, 1 to 200; default 50
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// Lists the versions of a model, newest first
#[utoipa::path(
    get, path = "/v1/models/{name}/versions", tag = "models",
    params(("name" = String, Path), VersionsQuery),
    responses(
        (status = 200, description = "A page of versions", body = Page<MeasuredVersion>),
        (status = 404, description = "Model not found", body = Problem),
    ),
)]
async fn versions(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    ApiPath(name): ApiPath<String>,
    ApiQuery(query): ApiQuery<VersionsQuery>,
) -> Result<Json<Page<MeasuredVersion>>, ApiError> {
    require_model(&state, &scope, &name).await?;
    let limit = checked_limit(query.limit)?;
    let mut conn = state.database.read().await?;
    let versions = list_versions(&mut conn, &name, query.cursor, limit + 1).await?;
    if versions.is_empty() {
        find_model_version(&mut conn, &name, None).await?;
    }
    let page = Page::from_items(versions, limit, |version| version.number.to_string());
    Ok(Json(Page { items: measure(&mut conn, page.items).await?, next_cursor: page.next_cursor }))
}

/// Shows a version of a model
#[utoipa::path(
    get, path = "/v1/models/{name}/versions/{number}", tag = "models",
    params(("name" = String, Path), ("number" = i32, Path)),
    responses(
        (status = 200, description = "The version", body = MeasuredVersion),
        (status = 404, description = "Version not found", body = Problem),
    ),
)]
async fn version(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    ApiPath((name, number)): ApiPath<(String, i32)>,
) -> Result<Json<MeasuredVersion>, ApiError> {
    require_model(&state, &scope, &name).await?;
    let mut conn = state.database.read().await?;
    let version = find_model_version(&mut conn, &name, Some(number)).await?;
    let headlines = list_headlines(&mut conn, &[version.run_id]).await?;
    let metrics = headlines.into_iter().flat_map(|headline| headline.fields).collect();
    Ok(Json(MeasuredVersion { version, metrics }))
}
