//! Downloads model versions, as a whole or file by file.

use aprendiz_db::Scope;
use aprendiz_runs::{ModelVersion, RunId, find_run, find_version_by_run};
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::archive;
use crate::api::http::auth::{InScope, Viewer};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, ApiQuery};
use crate::api::http::media::Binary;
use crate::api::http::operation::routes;
use crate::api::http::stored_file::{Content, FileRequest, content_below, find, send};
use crate::api::models::version::{MANIFEST, find_model_version, model_files, read_manifest, require_model};
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(run_model)).routes(routes!(download)).routes(routes!(file))
}

/// Downloads a file of a model version
#[utoipa::path(
    get, path = "/v1/models/{name}/versions/{number}/files/{*path}", tag = "models",
    params(
        ("name" = String, Path),
        ("number" = i32, Path),
        ("path" = String, Path, description = "`manifest.json` or a path listed in `files`"),
    ),
    responses(
        (status = 200, description = "The file"),
        (status = 404, description = "Version or file not found", body = Problem),
        (status = 410, description = "The files of the version were deleted", body = Problem),
    ),
)]
async fn file(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    request: FileRequest,
    ApiPath((name, number, path)): ApiPath<(String, i32, String)>,
) -> Result<Response, ApiError> {
    require_model(&state, &scope, &name).await?;
    let version = find_model_version(&mut *state.database.read().await?, &name, Some(number)).await?;
    send_model_file(&state, &request, &version, &path).await
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub(in crate::api) enum Format {
    /// All files, as one tar archive.
    #[default]
    Tar,
}

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct ModelQuery {
    /// Only this file, for example `config.json`; default: all files as a tar archive
    file: Option<String>,
    /// `tar` (default): format of all files
    #[serde(default)]
    #[param(inline)]
    format: Format,
}

/// Downloads the model that a run published
#[utoipa::path(
    get, path = "/v1/training-runs/{id}/model", tag = "training runs",
    params(("id" = RunId, Path), ModelQuery),
    responses(
        (status = 200, description = "A tar archive, or the requested file", body = inline(Binary), content_type = "application/x-tar"),
        (status = 404, description = "Run not found", body = Problem),
        (status = 409, description = "The run has not published a model", body = Problem),
        (status = 410, description = "The files of the version were deleted", body = Problem),
    ),
)]
async fn run_model(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    request: FileRequest,
    ApiPath(id): ApiPath<RunId>,
    ApiQuery(query): ApiQuery<ModelQuery>,
) -> Result<Response, ApiError> {
    send_run_model(&state, &scope, &request, id, &query).await
}

/// Downloads a version of a model
#[utoipa::path(
    get, path = "/v1/models/{name}/versions/{number}/download", tag = "models",
    params(("name" = String, Path), ("number" = i32, Path), ModelQuery),
    responses(
        (status = 200, description = "A tar archive, or the requested file", body = inline(Binary), content_type = "application/x-tar"),
        (status = 404, description = "Version or file not found", body = Problem),
        (status = 410, description = "The files of the version were deleted", body = Problem),
    ),
)]
async fn download(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    request: FileRequest,
    ApiPath((name, number)): ApiPath<(String, i32)>,
    ApiQuery(query): ApiQuery<ModelQuery>,
) -> Result<Response, ApiError> {
    require_model(&state, &scope, &name).await?;
    let version = find_model_version(&mut *state.database.read().await?, &name, Some(number)).await?;
    send_version(&state, &request, &version, &query).await
}

/// Shared by the route under `/v1` and the one of the SPA.
pub(in crate::api) async fn send_run_model(
    state: &AppState,
    scope: &Scope,
    request: &FileRequest,
    id: RunId,
    query: &ModelQuery,
) -> Result<Response, ApiError> {
    let version = {
        let mut conn = state.database.read().await?;
        let run = find_run(&mut conn, scope, id).await?;
        find_version_by_run(&mut conn, id).await?.ok_or_else(|| {
            ApiError::conflict("model_not_published", format!("run {id} ({}) is {} and has not published a model", run.kind, run.status))
        })?
    };
    send_version(state, request, &version, query).await
}

async fn send_version(state: &AppState, request: &FileRequest, version: &ModelVersion, query: &ModelQuery) -> Result<Response, ApiError> {
    let ModelQuery { file, format: Format::Tar } = query;
    if let Some(path) = file {
        return send_model_file(state, request, version, path).await;
    }
    let mut files = Vec::new();
    for file in model_files(version)? {
        let content = content_below(&version.object_prefix, &file)?;
        files.push((file, content));
    }
    let (manifest, bytes) = read_manifest(&state.store, version).await?;
    files.push((manifest, Content::Memory(bytes)));
    archive::send(&state.store, &format!("{}-{}", version.model, version.number), version.created_at, files).await
}

async fn send_model_file(state: &AppState, request: &FileRequest, version: &ModelVersion, path: &str) -> Result<Response, ApiError> {
    if path == MANIFEST {
        let (manifest, bytes) = read_manifest(&state.store, version).await?;
        return send(&state.store, request, &manifest, Content::Memory(bytes)).await;
    }
    let files = model_files(version)?;
    let file = find(&files, path)?;
    send(&state.store, request, file, content_below(&version.object_prefix, file)?).await
}
