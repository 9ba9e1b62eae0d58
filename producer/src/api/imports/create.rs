//! Creates an import from a Label Studio export.
//!
//! The file is imported in one transaction: a client that disconnects or an invalid file leaves nothing behind.

use std::path::Path;

use aprendiz_annotations::import::{
    ImportLimits, ImportReport, ImportState, StoredOptions, declare_import_object, import_label_studio, import_state, record_import_upload,
    request_import,
};
use aprendiz_artifacts::{ObjectKey, Uploaded};
use aprendiz_runs::record_audit;
use axum::Json;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::SemaphorePermit;
use tokio::time::timeout;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::api::http::admission::Admission;
use crate::api::http::auth::Reviewer;
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::ApiQuery;
use crate::api::http::media::Binary;
use crate::api::http::operation::routes;
use crate::api::imports::options::{GroundTruth, ImportQuery};
use crate::api::imports::spool::{SPOOL_NAME, SpooledFile, spool};
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    // the body is spooled and counted against its own limit
    OpenApiRouter::new().routes(routes!(create)).layer(DefaultBodyLimit::disable())
}

/// [`ImportQuery`] with `background`. The keys are repeated because serde cannot flatten typed query parameters.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct CreateQuery {
    /// Imports every task into this project, regardless of its own project
    project: Option<String>,
    /// Name of the source of the documents; default `label-studio`. Two Label Studio servers number their projects and tasks alike: give each
    /// its own source
    source: Option<String>,
    /// Replaces the texts of known tasks even if they have nothing in common with the stored ones; by default such tasks are quarantined
    #[serde(default)]
    replace_texts: bool,
    /// Reports what would be imported, and writes nothing: 200 with the report
    #[serde(default)]
    dry_run: bool,
    /// Key of `data` that holds the text; default `text`
    text_key: Option<String>,
    /// File name, stored with the import
    file_name: Option<String>,
    /// Mirrors deletions: retracts reviews whose annotation or task is not in the file any more
    #[serde(default)]
    mirror: bool,
    /// Selects the annotations of a task: `ignore` (default) uses all of them, the latest taking precedence; `prefer` uses only
    /// ground-truth annotations if the task has any
    #[serde(default)]
    #[param(inline)]
    ground_truth: GroundTruth,
    /// Stores the file and imports it in the background: returns 202 with the URL of the import
    #[serde(default)]
    background: bool,
}

/// Imports a Label Studio JSON export
///
/// The body is the file: JSON or JSON_MIN, plain or gzip. Invalid tasks are quarantined and counted, the others are imported. Importing the
/// same file again has no effect. Documents, fields, reviews and predictions are written in one transaction; with `background`, after the
/// response.
#[utoipa::path(
    post, path = "/v1/imports", tag = "documents", params(CreateQuery),
    request_body(content = inline(Binary), description = "The export, plain JSON or gzip", content_type = "application/octet-stream"),
    responses(
        (status = 200, description = "What would be imported, with `dry_run`", body = ImportReport),
        (status = 201, description = "The import report", body = ImportReport),
        (status = 202, description = "Stored and queued; Location holds the URL", body = ImportState, headers(("Location" = String))),
        (status = 410, description = "A document of the file was erased while it was imported", body = Problem),
        (status = 413, description = "The file exceeds the size limit", body = Problem),
        (status = 422, description = "Invalid export; nothing was imported", body = Problem),
    ),
)]
async fn create(
    State(state): State<AppState>,
    Reviewer(actor): Reviewer,
    admission: Admission,
    ApiQuery(query): ApiQuery<CreateQuery>,
    body: Body,
) -> Result<Response, ApiError> {
    let CreateQuery { project, source, replace_texts, dry_run, text_key, file_name, mirror, ground_truth, background } = query;
    let stored = ImportQuery { project, source, replace_texts, dry_run, text_key, file_name, mirror, ground_truth }.into_options()?;
    if dry_run && background {
        return Err(ApiError::unprocessable("invalid_query", "dry_run cannot be combined with background"));
    }
    let spooled = spool(&state, &admission, body).await?;
    if background {
        return enqueue_import(&state, &actor.name, &stored, spooled).await;
    }
    let mut options = stored.into_options(&actor.name);
    options.dry_run = dry_run;
    options.ratios = state.config.split_ratios;
    options.limits = ImportLimits { total_bytes: state.config.max_import_decompressed_bytes, ..options.limits };

    let _turn = wait_for_turn(&state).await?;
    let mut tx = state.database.begin_long().await?;
    let report = import_label_studio(&mut tx, spooled.into_reader(), &options, |_| {}).await?;
    if dry_run {
        tx.rollback().await?;
        return Ok(Json(report).into_response());
    }
    let details = json!({ "tasks": report.tasks, "documents_created": report.documents_created, "events_created": report.events_created, "source": report.source });
    record_audit(&mut tx, &actor.name, "import.create", &report.import_id.to_string(), &details).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(report)).into_response())
}

/// Waits until few enough imports use connections of the pool.
pub(super) async fn wait_for_turn(state: &AppState) -> Result<SemaphorePermit<'_>, ApiError> {
    match timeout(state.config.clients.upload_timeout, state.import_turns.acquire()).await {
        Ok(turn) => turn.map_err(ApiError::internal),
        Err(_) => Err(ApiError::overloaded("other imports take too long; nothing was imported: try again, or with background=true")),
    }
}

/// Stores the file, then enqueues its import. If enqueuing fails, the sweeper deletes the file after a day.
async fn enqueue_import(state: &AppState, actor: &str, options: &StoredOptions, spooled: SpooledFile) -> Result<Response, ApiError> {
    let id = Uuid::now_v7();
    let key = ObjectKey::import(id);
    let uploaded = store_file(state, &key, spooled).await?;
    let mut tx = state.database.begin().await?;
    let bytes = i64::try_from(uploaded.bytes).map_err(ApiError::internal)?;
    if !request_import(&mut tx, id, &key, bytes, &uploaded.sha256, actor, options).await? {
        return Err(ApiError::internal(anyhow::anyhow!("object {key} was swept before its import was enqueued")));
    }
    record_audit(&mut tx, actor, "import.request", &id.to_string(), &json!({ "bytes": bytes, "file_name": options.file_name })).await?;
    let import = import_state(&mut tx, id).await?;
    let import = import.ok_or_else(|| ApiError::internal(anyhow::anyhow!("import {id} has no row although it was just enqueued")))?;
    tx.commit().await?;
    state.imports.notify_one();
    let mut response = (StatusCode::ACCEPTED, Json(import)).into_response();
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/imports/{id}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Uploads the file; the row of its object, and the ID of a multipart upload, are recorded before its first byte.
async fn store_file(state: &AppState, key: &str, spooled: SpooledFile) -> Result<Uploaded, ApiError> {
    let mut tx = state.database.begin().await?;
    declare_import_object(&mut tx, key).await?;
    tx.commit().await?;
    let upload = state.store.begin_file_upload(key, spooled.handle()?, Path::new(SPOOL_NAME)).await?;
    if let Some(upload_id) = upload.id() {
        let recorded = async {
            let mut tx = state.database.begin().await?;
            let is_declared = record_import_upload(&mut tx, key, upload_id).await?;
            tx.commit().await.map(|()| is_declared)
        };
        match recorded.await {
            Ok(true) => {}
            Ok(false) => {
                upload.abort().await;
                return Err(ApiError::internal(anyhow::anyhow!("object {key} was swept before its upload began")));
            }
            Err(error) => {
                upload.abort().await;
                return Err(error.into());
            }
        }
    }
    Ok(upload.finish().await?)
}
