//! All that is known about a document but its text, and the text itself.

use aprendiz_annotations::documents::{Annotation, Document, TextVersion, get, get_text, list_annotations, list_text_versions};
use aprendiz_annotations::near_duplicates::{SplitExplanation, explain};
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::api::documents::erased::{document_not_found, reject_erased, require_document};
use crate::api::http::auth::{InScope, Viewer};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, ApiQuery};
use crate::api::http::operation::routes;
use crate::api::http::stored_file::{Content, FileRequest, StoredFile, send};
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(overview)).routes(routes!(text))
}

/// A document without its text.
#[derive(Debug, Serialize, ToSchema)]
struct DocumentOverview {
    /// The document.
    #[serde(flatten)]
    document: Document,
    /// Current state of its fields, by name.
    fields: Vec<Annotation>,
    /// Its split with the reason, and its near-duplicates.
    explanation: SplitExplanation,
    /// Versions of its text, the latest one last.
    texts: Vec<TextVersion>,
}

/// Shows a document without its text: fields, split, near-duplicates, versions of the text
#[utoipa::path(
    get, path = "/v1/documents/{id}/overview", tag = "documents", params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "The document", body = DocumentOverview),
        (status = 404, description = "Document not found", body = Problem),
        (status = 410, description = "The document was erased", body = Problem),
    ),
)]
async fn overview(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<Json<DocumentOverview>, ApiError> {
    let mut tx = state.database.snapshot().await?;
    require_document(&mut tx, &scope, id).await?;
    reject_erased(&mut tx, id).await?;
    let document = get(&mut tx, id).await?.ok_or_else(|| document_not_found(id))?.document;
    let explanation = explain(&mut tx, &scope, id).await?.ok_or_else(|| document_not_found(id))?;
    let fields = list_annotations(&mut tx, id).await?;
    let texts = list_text_versions(&mut tx, id).await?;
    Ok(Json(DocumentOverview { document, fields, explanation, texts }))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct TextQuery {
    /// Version of the text, from 1; default: the latest
    #[param(minimum = 1)]
    version: Option<i32>,
}

/// Downloads the text of a document
#[utoipa::path(
    get, path = "/v1/documents/{id}/text", tag = "documents", params(("id" = Uuid, Path), TextQuery),
    responses(
        (status = 200, description = "The text, as UTF-8"),
        (status = 404, description = "Document or version not found", body = Problem),
        (status = 410, description = "The document was erased", body = Problem),
    ),
)]
async fn text(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    request: FileRequest,
    ApiPath(id): ApiPath<Uuid>,
    ApiQuery(query): ApiQuery<TextQuery>,
) -> Result<Response, ApiError> {
    let mut conn = state.database.read().await?;
    require_document(&mut conn, &scope, id).await?;
    reject_erased(&mut conn, id).await?;
    let Some(stored) = get_text(&mut conn, id, query.version).await? else {
        return Err(match query.version {
            Some(version) if !list_text_versions(&mut conn, id).await?.is_empty() => {
                ApiError::not_found(format!("document {id} has no version {version} of its text: GET …/overview lists the versions"))
            }
            _ => document_not_found(id),
        });
    };
    drop(conn);
    let content = Bytes::from(stored.text);
    let file = StoredFile { path: format!("{id}.txt"), bytes: content.len() as u64, sha256: stored.sha256 };
    send(&state.store, &request, &file, Content::Memory(content)).await
}
