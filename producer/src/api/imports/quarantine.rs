//! Lists and downloads the quarantined tasks of an import.

use aprendiz_annotations::import::{QuarantineEntry, import_state, quarantined_file, quarantined_tasks};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde::de::IgnoredAny;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::api::http::auth::Viewer;
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, ApiQuery};
use crate::api::http::operation::routes;
use crate::api::http::page::{Page, checked_limit, decode_number_cursor, encode_number_cursor};
use crate::api::imports::show::import_not_found;
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(download))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// `next_cursor` of the previous page
    cursor: Option<String>,
    /// Page size, 1 to 200; default 50
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// Lists the quarantined tasks of an import, with the reasons
#[utoipa::path(
    get, path = "/v1/imports/{id}/quarantine", tag = "documents",
    params(("id" = Uuid, Path), ListQuery),
    responses(
        (status = 200, description = "A page of tasks", body = Page<QuarantineEntry>),
        (status = 404, description = "Import not found", body = Problem),
    ),
)]
async fn list(
    State(state): State<AppState>,
    _: Viewer,
    ApiPath(id): ApiPath<Uuid>,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> Result<Json<Page<QuarantineEntry>>, ApiError> {
    let limit = checked_limit(query.limit)?;
    let after = query.cursor.as_deref().map(decode_number_cursor).transpose()?.unwrap_or(-1);
    let mut conn = state.database.read().await?;
    let tasks = quarantined_tasks(&mut conn, id, after, limit + 1).await?;
    if tasks.is_empty() && import_state(&mut conn, id).await?.is_none() {
        return Err(import_not_found(id));
    }
    Ok(Json(Page::from_items(tasks, limit, |task| encode_number_cursor(task.task_index))))
}

/// Downloads the quarantined tasks as a Label Studio file
///
/// The file can be repaired and imported again. It holds the tasks as they were sent: a task can be null or any other value, and if one of
/// them is no valid JSON, the file is plain text. Tasks over 1 MiB are not stored, nor tasks beyond 8 MiB per import.
#[utoipa::path(
    get, path = "/v1/imports/{id}/quarantine/tasks", tag = "documents", params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "An array of tasks", content(
            (Vec<serde_json::Value> = "application/json"),
            (String = "text/plain"),
        )),
        (status = 404, description = "Import not found", body = Problem),
    ),
)]
async fn download(State(state): State<AppState>, _: Viewer, ApiPath(id): ApiPath<Uuid>) -> Result<Response, ApiError> {
    let mut conn = state.database.read().await?;
    if import_state(&mut conn, id).await?.is_none() {
        return Err(import_not_found(id));
    }
    let file = quarantined_file(&mut conn, id).await?;
    let is_json = serde_json::from_slice::<IgnoredAny>(&file).is_ok();
    let content_type = if is_json { "application/json" } else { "text/plain; charset=utf-8" };
    let mut response = file.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    Ok(response)
}
