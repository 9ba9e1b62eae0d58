//! Downloads model versions, as a whole or file by file.

use aprendiz_runs::{ModelVersion, RunId, find_version_by_run, get_run};
use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::http::archive;
use crate::api::http::auth::Viewer;
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, ApiQuery};
use crate::api::http::stored_file::{Content, content_below, find, send};
use crate::api::models::version::{MANIFEST, find_model_version, model_files, read_manifest};
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(run_model)).routes(routes!(file))
}

/// Downloads a file of a model version
#[utoipa::path(
    get, path = "/v1/models/{name}/versions/{number}/files/{*path}", tag = "models", security(("api_key" = ["viewer"])),
    params(
        ("name" = String, Path),
        ("number" = i32, Path),
        ("path" = String, Path, description = "`manifest.json` or a path listed in `files`"),
    ),
    responses(
        (status = 200, description = "The file; its ETag is its SHA-256", body = [u8], content_type = "application/octet-stream"),
        (status = 206, description = "The requested range of the file", body = [u8], content_type = "application/octet-stream"),
        (status = 404, description = "Version or file not found", body = Problem),
    ),
)]
async fn file(
    State(state): State<AppState>,
    _: Viewer,
    method: Method,
    headers: HeaderMap,
    ApiPath((name, number, path)): ApiPath<(String, i32, String)>,
) -> Result<Response, ApiError> {
    let version = find_model_version(&mut *state.database.read().await?, &name, Some(number)).await?;
    send_model_file(&state, &method, &headers, &version, &path).await
}

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct ModelQuery {
    /// Only this file, for example `config.json`; default: all files as a tar archive
    file: Option<String>,
}

/// Downloads the model that a run published
#[utoipa::path(
    get, path = "/v1/training-runs/{id}/model", tag = "training runs", security(("api_key" = ["viewer"])),
    params(("id" = RunId, Path), ModelQuery),
    responses(
        (status = 200, description = "A tar archive, or the requested file", body = [u8], content_type = "application/octet-stream"),
        (status = 409, description = "The run has not published a model", body = Problem),
    ),
)]
async fn run_model(
    State(state): State<AppState>,
    _: Viewer,
    method: Method,
    headers: HeaderMap,
    ApiPath(id): ApiPath<RunId>,
    ApiQuery(query): ApiQuery<ModelQuery>,
) -> Result<Response, ApiError> {
    send_run_model(&state, &method, &headers, id, &query).await
}

/// Shared by the route under `/v1` and the one of the SPA.
pub(in crate::api) async fn send_run_model(
    state: &AppState,
    method: &Method,
    headers: &HeaderMap,
    id: RunId,
    query: &ModelQuery,
) -> Result<Response, ApiError> {
    let version = {
        let mut conn = state.database.read().await?;
        let run = get_run(&mut conn, id).await?;
        find_version_by_run(&mut conn, id).await?.ok_or_else(|| {
            ApiError::conflict("model_not_published", format!("run {id} ({}) is {} and has not published a model", run.kind, run.status))
        })?
    };
    if let Some(path) = &query.file {
        return send_model_file(state, method, headers, &version, path).await;
    }
    let mut files = Vec::new();
    for file in model_files(&version)? {
        let content = content_below(&version.object_prefix, &file)?;
        files.push((file, content));
    }
    let (manifest, bytes) = read_manifest(&state.store, &version).await?;
    files.push((manifest, Content::Memory(bytes)));
    archive::send(&state.store, &format!("{}-{}", version.model, version.number), version.created_at, files).await
}

async fn send_model_file(
    state: &AppState,
    method: &Method,
    headers: &HeaderMap,
    version: &ModelVersion,
    path: &str,
) -> Result<Response, ApiError> {
    if path == MANIFEST {
        let (manifest, bytes) = read_manifest(&state.store, version).await?;
        return send(&state.store, method, headers, &manifest, Content::Memory(bytes)).await;
    }
    let files = model_files(version)?;
    let file = find(&files, path)?;
    send(&state.store, method, headers, file, content_below(&version.object_prefix, file)?).await
}
