//! Lists and downloads the quarantined tasks of an import.

use aprendiz_annotations::import::{QuarantineEntry, import_state, quarantined_file, quarantined_tasks};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::http::auth::Viewer;
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, ApiQuery};
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
    limit: Option<i64>,
}

/// Lists the quarantined tasks of an import, with the reasons
#[utoipa::path(
    get, path = "/v1/imports/{id}/quarantine", tag = "documents", security(("api_key" = ["viewer"])),
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
/// The file can be repaired and imported again. Tasks over 1 MiB are not stored, nor tasks beyond 8 MiB per import.
#[utoipa::path(
    get, path = "/v1/imports/{id}/quarantine/tasks", tag = "documents", security(("api_key" = ["viewer"])), params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "A JSON array of tasks", body = [Object]),
        (status = 404, description = "Import not found", body = Problem),
    ),
)]
async fn download(State(state): State<AppState>, _: Viewer, ApiPath(id): ApiPath<Uuid>) -> Result<Response, ApiError> {
    let mut conn = state.database.read().await?;
    if import_state(&mut conn, id).await?.is_none() {
        return Err(import_not_found(id));
    }
    let file = quarantined_file(&mut conn, id).await?;
    let mut response = file.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
