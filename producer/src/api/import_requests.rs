//! Imports as things of their own: where they are, what they could not take in, and those tasks once more.

use std::io::Cursor;

use annotations::import::{
    ImportLimits, ImportReport, ImportState, ImportStatus, QuarantinedTask, StoredOptions, import_state, label_studio, list_imports,
    quarantined_file, quarantined_tasks,
};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use runs::record_audit;
use serde::Deserialize;
use serde_json::json;
use sqlx::Acquire as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::auth::{Reviewer, Viewer};
use crate::api::error::{ApiError, Problem};
use crate::api::extract::{Params, Segments};
use crate::api::imports::ImportQuery;
use crate::api::page::{Page, checked_limit, decode_cursor, decode_number_cursor, encode_cursor, encode_number_cursor};
use crate::api::state::AppState;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show)).routes(routes!(quarantine)).routes(routes!(quarantined))
}

/// An import again takes its time.
pub(crate) fn retries() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(retry))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// `next_cursor` of the page before
    cursor: Option<String>,
    /// Entries on a page, 1 to 200; default 50
    limit: Option<i64>,
}

/// Lists imports, newest first, without their reports
#[utoipa::path(
    get, path = "/v1/imports", tag = "documents", security(("api_key" = ["viewer"])), params(ListQuery),
    responses((status = 200, description = "A page of imports", body = Page<ImportState>)),
)]
async fn list(State(state): State<AppState>, _: Viewer, Params(query): Params<ListQuery>) -> Result<Json<Page<ImportState>>, ApiError> {
    let limit = checked_limit(query.limit)?;
    let before = query.cursor.as_deref().map(decode_cursor).transpose()?;
    let mut conn = state.pool.acquire().await?;
    let imports = list_imports(&mut conn, before, limit + 1).await?;
    Ok(Json(Page::cut(imports, limit, |import| encode_cursor(import.created_at, import.id))))
}

/// Shows an import: where it is, or what it did
#[utoipa::path(
    get, path = "/v1/imports/{id}", tag = "documents", security(("api_key" = ["viewer"])), params(("id" = Uuid, Path)),
    responses((status = 200, description = "The import", body = ImportState), (status = 404, description = "No such import", body = Problem)),
)]
async fn show(State(state): State<AppState>, _: Viewer, Segments(id): Segments<Uuid>) -> Result<Json<ImportState>, ApiError> {
    let mut conn = state.pool.acquire().await?;
    import_state(&mut conn, id).await?.map(Json).ok_or_else(|| unknown(id))
}

/// Lists the tasks that an import could not take in, with the reasons
#[utoipa::path(
    get, path = "/v1/imports/{id}/quarantine", tag = "documents", security(("api_key" = ["viewer"])),
    params(("id" = Uuid, Path), ListQuery),
    responses((status = 200, description = "A page of tasks", body = Page<QuarantinedTask>), (status = 404, description = "No such import", body = Problem)),
)]
async fn quarantine(
    State(state): State<AppState>,
    _: Viewer,
    Segments(id): Segments<Uuid>,
    Params(query): Params<ListQuery>,
) -> Result<Json<Page<QuarantinedTask>>, ApiError> {
    let limit = checked_limit(query.limit)?;
    let after = query.cursor.as_deref().map(decode_number_cursor).transpose()?.unwrap_or(-1);
    let mut conn = state.pool.acquire().await?;
    let tasks = quarantined_tasks(&mut conn, id, after, limit + 1).await?;
    if tasks.is_empty() && import_state(&mut conn, id).await?.is_none() {
        return Err(unknown(id));
    }
    Ok(Json(Page::cut(tasks, limit, |task| encode_number_cursor(task.task_index))))
}

/// Downloads the quarantined tasks as an export file
///
/// To be repaired, and imported again. Tasks over 1 MiB are not kept, nor what exceeds 8 MiB of an import.
#[utoipa::path(
    get, path = "/v1/imports/{id}/quarantine/tasks", tag = "documents", security(("api_key" = ["viewer"])), params(("id" = Uuid, Path)),
    responses((status = 200, description = "A JSON array of tasks", body = [Object]), (status = 404, description = "No such import", body = Problem)),
)]
async fn quarantined(State(state): State<AppState>, _: Viewer, Segments(id): Segments<Uuid>) -> Result<Response, ApiError> {
    let mut conn = state.pool.acquire().await?;
    if import_state(&mut conn, id).await?.is_none() {
        return Err(unknown(id));
    }
    let file = quarantined_file(&mut conn, id).await?;
    let mut response = file.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// Imports the quarantined tasks once more
///
/// After what was in their way is gone: another `text_key`, a field that was renamed, a newer Aprendiz. It is an import of its own, with
/// its own report.
#[utoipa::path(
    post, path = "/v1/imports/{id}/retry", tag = "documents", security(("api_key" = ["reviewer"])),
    params(("id" = Uuid, Path), ImportQuery),
    responses(
        (status = 201, description = "What was taken in this time", body = ImportReport),
        (status = 404, description = "No such import", body = Problem),
        (status = 409, description = "It has not ended, or no quarantined task of it is kept", body = Problem),
    ),
)]
async fn retry(
    State(state): State<AppState>,
    Reviewer(actor): Reviewer,
    Segments(id): Segments<Uuid>,
    Params(query): Params<ImportQuery>,
) -> Result<(StatusCode, Json<ImportReport>), ApiError> {
    let stored: StoredOptions = query.checked()?;
    let mut conn = state.pool.acquire().await?;
    let mut tx = conn.begin().await?;
    let known = import_state(&mut tx, id).await?.ok_or_else(|| unknown(id))?;
    if known.status != ImportStatus::Succeeded {
        return Err(ApiError::conflict("wrong_state", format!("import {id} has not succeeded: it has no quarantine")));
    }
    let file = quarantined_file(&mut tx, id).await?;
    if !file.contains(&b'{') {
        return Err(ApiError::conflict(
            "nothing_quarantined",
            format!("no quarantined task of import {id} is kept: import the file again"),
        ));
    }
    let file_name = stored.file_name.clone().or_else(|| Some(format!("quarantine of {id}")));
    let mut options = StoredOptions { file_name, ..stored }.options(&actor.0);
    options.ratios = state.config.split_ratios;
    options.limits = ImportLimits { total_bytes: state.config.max_import_decompressed_bytes, ..options.limits };
    let report = label_studio(&mut tx, Cursor::new(file), &options, |_| {}).await?;
    let details = json!({ "retry_of": id, "tasks": report.tasks, "events_created": report.events_created });
    record_audit(&mut tx, &actor.0, "import.retry", &report.import_id.to_string(), &details).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(report)))
}

fn unknown(id: Uuid) -> ApiError {
    ApiError::not_found(format!("no import {id}"))
}
