//! Models and their published versions: list, show, download.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures::TryStreamExt as _;
use runs::{ModelSummary, ModelVersion, RunId, find_version, get_run, list_models, list_versions, version_of_run};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::archive;
use crate::api::auth::Viewer;
use crate::api::error::{ApiError, Problem};
use crate::api::extract::{Params, Segments};
use crate::api::object::open;
use crate::api::page::{Page, checked_limit};
use crate::api::state::AppState;
use crate::api::stored_file::{Content, StoredFile, content_below, files_of, find, key_below, send};

/// Name of the file that lists the others.
const MANIFEST: &str = inference::manifest::MANIFEST_FILE;
/// A manifest is a short list; one that is longer was not written by us.
const MAX_MANIFEST_BYTES: u64 = 1 << 20;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(versions)).routes(routes!(version))
}

/// Routes whose answers may take longer than a request may.
pub(crate) fn downloads() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(of_run)).routes(routes!(file))
}

/// Lists the models that have a version, by name
#[utoipa::path(
    get, path = "/v1/models", tag = "models", security(("api_key" = ["viewer"])),
    responses((status = 200, description = "All models", body = Page<ModelSummary>)),
)]
async fn list(State(state): State<AppState>, _: Viewer) -> Result<Json<Page<ModelSummary>>, ApiError> {
    let mut conn = state.pool.acquire().await?;
    Ok(Json(Page { items: list_models(&mut conn).await?, next_cursor: None }))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct VersionsQuery {
    /// `next_cursor` of the page before: only versions with a smaller number
    cursor: Option<i32>,
    /// Versions on a page, 1 to 200; default 50
    limit: Option<i64>,
}

/// Lists the versions of a model, newest first
#[utoipa::path(
    get, path = "/v1/models/{name}/versions", tag = "models", security(("api_key" = ["viewer"])),
    params(("name" = String, Path), VersionsQuery),
    responses((status = 200, description = "A page of versions", body = Page<ModelVersion>), (status = 404, description = "No such model", body = Problem)),
)]
async fn versions(
    State(state): State<AppState>,
    _: Viewer,
    Segments(name): Segments<String>,
    Params(query): Params<VersionsQuery>,
) -> Result<Json<Page<ModelVersion>>, ApiError> {
    let limit = checked_limit(query.limit)?;
    let mut conn = state.pool.acquire().await?;
    let versions = list_versions(&mut conn, &name, query.cursor, limit + 1).await?;
    if versions.is_empty() {
        find_model_version(&mut conn, &name, None).await?;
    }
    Ok(Json(Page::cut(versions, limit, |version| version.number.to_string())))
}

/// Shows a version of a model
#[utoipa::path(
    get, path = "/v1/models/{name}/versions/{number}", tag = "models", security(("api_key" = ["viewer"])),
    params(("name" = String, Path), ("number" = i32, Path)),
    responses((status = 200, description = "The version", body = ModelVersion), (status = 404, description = "No such version", body = Problem)),
)]
async fn version(
    State(state): State<AppState>,
    _: Viewer,
    Segments((name, number)): Segments<(String, i32)>,
) -> Result<Json<ModelVersion>, ApiError> {
    let mut conn = state.pool.acquire().await?;
    Ok(Json(find_model_version(&mut conn, &name, Some(number)).await?))
}

/// Downloads a file of a model version
#[utoipa::path(
    get, path = "/v1/models/{name}/versions/{number}/files/{*path}", tag = "models", security(("api_key" = ["viewer"])),
    params(("name" = String, Path), ("number" = i32, Path), ("path" = String, Path, description = "`manifest.json` or one of the paths in `files`")),
    responses(
        (status = 200, description = "The file; its ETag is its SHA-256", body = [u8], content_type = "application/octet-stream"),
        (status = 206, description = "The asked range of it", body = [u8], content_type = "application/octet-stream"),
        (status = 404, description = "No such version or file", body = Problem),
    ),
)]
async fn file(
    State(state): State<AppState>,
    _: Viewer,
    method: Method,
    headers: HeaderMap,
    Segments((name, number, path)): Segments<(String, i32, String)>,
) -> Result<Response, ApiError> {
    let version = find_model_version(&mut *state.pool.acquire().await?, &name, Some(number)).await?;
    send_model_file(&state, &method, &headers, &version, &path).await
}

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ModelQuery {
    /// Only this file, for example `config.json`; default: a tar of all
    file: Option<String>,
}

/// Downloads the model that a run published
#[utoipa::path(
    get, path = "/v1/training-runs/{id}/model", tag = "training runs", security(("api_key" = ["viewer"])),
    params(("id" = RunId, Path), ModelQuery),
    responses(
        (status = 200, description = "A tar, or the asked file", body = [u8], content_type = "application/octet-stream"),
        (status = 409, description = "The run has published no model", body = Problem),
    ),
)]
async fn of_run(
    State(state): State<AppState>,
    _: Viewer,
    method: Method,
    headers: HeaderMap,
    Segments(id): Segments<RunId>,
    Params(query): Params<ModelQuery>,
) -> Result<Response, ApiError> {
    send_model_of_run(&state, &method, &headers, id, &query).await
}

/// What both addresses of this download do.
pub(crate) async fn send_model_of_run(
    state: &AppState,
    method: &Method,
    headers: &HeaderMap,
    id: RunId,
    query: &ModelQuery,
) -> Result<Response, ApiError> {
    let version = {
        let mut conn = state.pool.acquire().await?;
        let run = get_run(&mut conn, id).await?;
        version_of_run(&mut conn, id).await?.ok_or_else(|| {
            ApiError::conflict("model_not_published", format!("run {id} ({}) is {} and has published no model", run.kind, run.status))
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
    let (manifest, bytes) = read_manifest(state, &version).await?;
    files.push((manifest, Content::Memory(bytes)));
    archive::send(state, &format!("{}-{}", version.model, version.number), version.created_at, files).await
}

async fn send_model_file(
    state: &AppState,
    method: &Method,
    headers: &HeaderMap,
    version: &ModelVersion,
    path: &str,
) -> Result<Response, ApiError> {
    if path == MANIFEST {
        let (manifest, bytes) = read_manifest(state, version).await?;
        return send(state, method, headers, &manifest, Content::Memory(bytes)).await;
    }
    let files = model_files(version)?;
    let file = find(&files, path)?;
    send(state, method, headers, file, content_below(&version.object_prefix, file)?).await
}

/// The version, or an error that says what there is.
pub(crate) async fn find_model_version(conn: &mut PgConnection, name: &str, number: Option<i32>) -> Result<ModelVersion, ApiError> {
    if let Some(version) = find_version(conn, name, number).await? {
        return Ok(version);
    }
    let detail = match (number, find_version(conn, name, None).await?) {
        (Some(number), Some(newest)) => format!("model `{name}` has no version {number}: the newest is {}", newest.number),
        _ => format!("no model `{name}` has been published"),
    };
    Err(ApiError::new(axum::http::StatusCode::NOT_FOUND, "unknown_model", detail))
}

/// Files of a version, the manifest apart.
pub(crate) fn model_files(version: &ModelVersion) -> Result<Vec<StoredFile>, ApiError> {
    let files = files_of(&version.files, &format!("model version {}", version.id))?;
    Ok(files.into_iter().filter(|file| file.path != MANIFEST).collect())
}

/// The manifest of a version, checked against the hash in its row.
pub(crate) async fn read_manifest(state: &AppState, version: &ModelVersion) -> Result<(StoredFile, Bytes), ApiError> {
    let object = open(&state.store, &key_below(&version.object_prefix, MANIFEST)?, None).await?;
    if object.bytes > MAX_MANIFEST_BYTES {
        return Err(ApiError::internal(anyhow::anyhow!("manifest of model version {} has {} bytes", version.id, object.bytes)));
    }
    let bytes: BytesMut = object
        .stream
        .try_fold(BytesMut::new(), |mut all, chunk| async move {
            all.extend_from_slice(&chunk);
            Ok(all)
        })
        .await
        .map_err(|error| ApiError::away("object_store", error))?;
    let sha256 = hex::encode(Sha256::digest(&bytes));
    if sha256 != version.manifest_sha256 {
        return Err(ApiError::internal(anyhow::anyhow!(
            "manifest of model version {} has sha256 {sha256}, its row says {}",
            version.id,
            version.manifest_sha256
        )));
    }
    Ok((StoredFile { path: MANIFEST.to_owned(), bytes: bytes.len() as u64, sha256 }, bytes.freeze()))
}
