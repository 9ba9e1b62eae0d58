//! Documents and what reviewers said about them: reading, and why each is in its split.

use annotations::documents::{
    Annotation, Document, DocumentCursor, DocumentFilter, DocumentText, annotations_of, get, list as list_documents,
};
use annotations::near_duplicates::{IndexReport, SplitExplanation, explain as explain_split, index_missing};
use axum::Json;
use axum::extract::State;
use runs::record_audit;
use serde::Deserialize;
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::auth::{Operator, Viewer};
use crate::api::document_erasure::refuse_erased;
use crate::api::error::{ApiError, Problem};
use crate::api::extract::{Params, Segments};
use crate::api::page::{Page, checked_limit, decode_cursor, encode_cursor};
use crate::api::state::AppState;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show)).routes(routes!(annotations)).routes(routes!(explain))
}

/// Takes as long as it takes.
pub(crate) fn indexing() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(index))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only of this source, for example `label-studio`
    source: Option<String>,
    /// Only of this project of the source
    project: Option<String>,
    /// Only with this id within its project
    task_id: Option<String>,
    /// `next_cursor` of the page before
    cursor: Option<String>,
    /// Documents on a page, 1 to 200; default 50
    limit: Option<i64>,
}

/// Lists documents without their texts, in the order of their arrival
#[utoipa::path(
    get, path = "/v1/documents", tag = "documents", security(("api_key" = ["viewer"])), params(ListQuery),
    responses((status = 200, description = "A page of documents", body = Page<Document>)),
)]
async fn list(State(state): State<AppState>, _: Viewer, Params(query): Params<ListQuery>) -> Result<Json<Page<Document>>, ApiError> {
    let limit = checked_limit(query.limit)?;
    let after = query.cursor.as_deref().map(decode_cursor).transpose()?.map(|(created_at, id)| DocumentCursor { created_at, id });
    let filter = DocumentFilter { source: query.source, project: query.project, task_id: query.task_id };
    let mut conn = state.pool.acquire().await?;
    let documents = list_documents(&mut conn, &filter, after, limit + 1).await?;
    Ok(Json(Page::cut(documents, limit, |document| encode_cursor(document.created_at, document.id))))
}

/// Shows a document with its newest text
#[utoipa::path(
    get, path = "/v1/documents/{id}", tag = "documents", security(("api_key" = ["viewer"])), params(("id" = Uuid, Path)),
    responses((status = 200, description = "The document", body = DocumentText), (status = 404, description = "No such document", body = Problem), (status = 410, description = "It was erased", body = Problem)),
)]
async fn show(State(state): State<AppState>, _: Viewer, Segments(id): Segments<Uuid>) -> Result<Json<DocumentText>, ApiError> {
    let mut conn = state.pool.acquire().await?;
    refuse_erased(&mut conn, id).await?;
    get(&mut conn, id).await?.map(Json).ok_or_else(|| unknown(id))
}

/// Lists the current state of every field of a document, by field
#[utoipa::path(
    get, path = "/v1/documents/{id}/annotations", tag = "documents", security(("api_key" = ["viewer"])), params(("id" = Uuid, Path)),
    responses((status = 200, description = "All annotations", body = Page<Annotation>), (status = 404, description = "No such document", body = Problem), (status = 410, description = "It was erased", body = Problem)),
)]
async fn annotations(State(state): State<AppState>, _: Viewer, Segments(id): Segments<Uuid>) -> Result<Json<Page<Annotation>>, ApiError> {
    let mut conn = state.pool.acquire().await?;
    refuse_erased(&mut conn, id).await?;
    let items = annotations_of(&mut conn, id).await?;
    if items.is_empty() && get(&mut conn, id).await?.is_none() {
        return Err(unknown(id));
    }
    Ok(Json(Page { items, next_cursor: None }))
}

/// Says why a document is in its split, and which others overlap with it
#[utoipa::path(
    get, path = "/v1/documents/{id}/explain", tag = "documents", security(("api_key" = ["viewer"])), params(("id" = Uuid, Path)),
    responses((status = 200, description = "The explanation", body = SplitExplanation), (status = 404, description = "No such document", body = Problem)),
)]
async fn explain(State(state): State<AppState>, _: Viewer, Segments(id): Segments<Uuid>) -> Result<Json<SplitExplanation>, ApiError> {
    let mut conn = state.pool.acquire().await?;
    explain_split(&mut conn, id).await?.map(Json).ok_or_else(|| unknown(id))
}

/// Compares documents that were not compared with the others yet, and excludes those that cross splits
///
/// Imports do this by themselves; it is for databases from before there were near-duplicates. A second call finds nothing to do.
#[utoipa::path(
    post, path = "/v1/documents/index", tag = "documents", security(("api_key" = ["operator"])),
    responses((status = 200, description = "What was done", body = IndexReport)),
)]
async fn index(State(state): State<AppState>, Operator(actor): Operator) -> Result<Json<IndexReport>, ApiError> {
    let mut conn = state.pool.acquire().await?;
    let report = index_missing(&mut conn).await?;
    let details = json!({ "texts_indexed": report.texts_indexed, "documents_excluded": report.documents_excluded });
    record_audit(&mut conn, &actor.0, "document.index", "all", &details).await?;
    Ok(Json(report))
}

fn unknown(id: Uuid) -> ApiError {
    ApiError::new(axum::http::StatusCode::NOT_FOUND, "unknown_document", format!("no document {id}"))
}
