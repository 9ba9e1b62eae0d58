//! Lists and shows documents and their annotations.

use aprendiz_annotations::documents::{Annotation, Document, DocumentText, get, list as list_documents, list_annotations};
use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::api::documents::erased::{document_not_found, reject_erased, require_document};
use crate::api::documents::filter::ListQuery;
use crate::api::http::auth::{InScope, Viewer};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, ApiQuery};
use crate::api::http::operation::routes;
use crate::api::http::page::{Page, checked_limit, decode_json_cursor, encode_json_cursor};
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show)).routes(routes!(annotations))
}

/// Lists documents without their texts, oldest first
///
/// A page looks at 20,000 documents at most. With a filter that few documents match, it may have fewer items than `limit`, or none, and still
/// a `next_cursor` that continues the list.
#[utoipa::path(
    get, path = "/v1/documents", tag = "documents", params(ListQuery),
    responses((status = 200, description = "A page of documents", body = Page<Document>)),
)]
async fn list(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> Result<Json<Page<Document>>, ApiError> {
    let limit = usize::try_from(checked_limit(query.limit)?).unwrap_or(usize::MAX);
    let after: Option<Uuid> = query.cursor.as_deref().map(decode_json_cursor).transpose()?;
    let filter = query.filter()?;
    let mut conn = state.database.read().await?;
    let page = list_documents(&mut conn, &scope, &filter, after, limit).await?;
    Ok(Json(Page { items: page.items, next_cursor: page.next.map(|id| encode_json_cursor(&id)) }))
}

/// Shows a document with its latest text
#[utoipa::path(
    get, path = "/v1/documents/{id}", tag = "documents", params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "The document", body = DocumentText),
        (status = 404, description = "Document not found", body = Problem),
        (status = 410, description = "The document was erased", body = Problem),
    ),
)]
async fn show(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<Json<DocumentText>, ApiError> {
    let mut conn = state.database.read().await?;
    require_document(&mut conn, &scope, id).await?;
    reject_erased(&mut conn, id).await?;
    get(&mut conn, id).await?.map(Json).ok_or_else(|| document_not_found(id))
}

/// Lists the current annotations of a document, by field
#[utoipa::path(
    get, path = "/v1/documents/{id}/annotations", tag = "documents", params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "All annotations", body = Page<Annotation>),
        (status = 404, description = "Document not found", body = Problem),
        (status = 410, description = "The document was erased", body = Problem),
    ),
)]
async fn annotations(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<Json<Page<Annotation>>, ApiError> {
    let mut conn = state.database.read().await?;
    require_document(&mut conn, &scope, id).await?;
    reject_erased(&mut conn, id).await?;
    let items = list_annotations(&mut conn, id).await?;
    if items.is_empty() && get(&mut conn, id).await?.is_none() {
        return Err(document_not_found(id));
    }
    Ok(Json(Page { items, next_cursor: None }))
}
