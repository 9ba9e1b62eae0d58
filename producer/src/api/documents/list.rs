//! Lists and shows documents and their annotations.

use aprendiz_annotations::documents::{
    Annotation, Document, DocumentCursor, DocumentFilter, DocumentText, get, list as list_documents, list_annotations,
};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::documents::erased::{document_not_found, reject_erased};
use crate::api::http::auth::Viewer;
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, ApiQuery};
use crate::api::http::page::{Page, checked_limit, decode_cursor, encode_cursor};
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show)).routes(routes!(annotations))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only documents of this source, for example `label-studio`
    source: Option<String>,
    /// Only documents of this project
    project: Option<String>,
    /// Only the document with this id within its project
    task_id: Option<String>,
    /// `next_cursor` of the previous page
    cursor: Option<String>,
    /// Page size, 1 to 200; default 50
    limit: Option<i64>,
}

/// Lists documents without their texts, oldest first
#[utoipa::path(
    get, path = "/v1/documents", tag = "documents", security(("api_key" = ["viewer"])), params(ListQuery),
    responses((status = 200, description = "A page of documents", body = Page<Document>)),
)]
async fn list(State(state): State<AppState>, _: Viewer, ApiQuery(query): ApiQuery<ListQuery>) -> Result<Json<Page<Document>>, ApiError> {
    let limit = checked_limit(query.limit)?;
    let after = query.cursor.as_deref().map(decode_cursor).transpose()?.map(|(created_at, id)| DocumentCursor { created_at, id });
    let filter = DocumentFilter { source: query.source, project: query.project, task_id: query.task_id };
    let mut conn = state.database.read().await?;
    let documents = list_documents(&mut conn, &filter, after, limit + 1).await?;
    Ok(Json(Page::from_items(documents, limit, |document| encode_cursor(document.created_at, document.id))))
}

/// Shows a document with its latest text
#[utoipa::path(
    get, path = "/v1/documents/{id}", tag = "documents", security(("api_key" = ["viewer"])), params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "The document", body = DocumentText),
        (status = 404, description = "Document not found", body = Problem),
        (status = 410, description = "The document was erased", body = Problem),
    ),
)]
async fn show(State(state): State<AppState>, _: Viewer, ApiPath(id): ApiPath<Uuid>) -> Result<Json<DocumentText>, ApiError> {
    let mut conn = state.database.read().await?;
    reject_erased(&mut conn, id).await?;
    get(&mut conn, id).await?.map(Json).ok_or_else(|| document_not_found(id))
}

/// Lists the current annotations of a document, by field
#[utoipa::path(
    get, path = "/v1/documents/{id}/annotations", tag = "documents", security(("api_key" = ["viewer"])), params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "All annotations", body = Page<Annotation>),
        (status = 404, description = "Document not found", body = Problem),
        (status = 410, description = "The document was erased", body = Problem),
    ),
)]
async fn annotations(State(state): State<AppState>, _: Viewer, ApiPath(id): ApiPath<Uuid>) -> Result<Json<Page<Annotation>>, ApiError> {
    let mut conn = state.database.read().await?;
    reject_erased(&mut conn, id).await?;
    let items = list_annotations(&mut conn, id).await?;
    if items.is_empty() && get(&mut conn, id).await?.is_none() {
        return Err(document_not_found(id));
    }
    Ok(Json(Page { items, next_cursor: None }))
}
