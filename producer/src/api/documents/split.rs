//! Splits of documents: explains an assignment, and indexes documents for near-duplicate detection.

use aprendiz_annotations::near_duplicates::{IndexReport, SplitExplanation, backfill_index, explain as explain_split};
use aprendiz_runs::record_audit;
use axum::Json;
use axum::extract::State;
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::api::documents::erased::document_not_found;
use crate::api::http::auth::{InScope, Operator, Viewer};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::ApiPath;
use crate::api::http::operation::routes;
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(explain))
}

/// Indexing takes time in proportion to the number of documents.
pub(super) fn untimed_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(index))
}

/// Explains why a document is in its split, and lists overlapping documents
#[utoipa::path(
    get, path = "/v1/documents/{id}/explain", tag = "documents", params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "The explanation", body = SplitExplanation),
        (status = 404, description = "Document not found", body = Problem),
    ),
)]
async fn explain(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<Json<SplitExplanation>, ApiError> {
    let mut conn = state.database.read().await?;
    explain_split(&mut conn, &scope, id).await?.map(Json).ok_or_else(|| document_not_found(id))
}

/// Indexes documents for near-duplicate detection
///
/// Compares documents that are not indexed yet with all others, and excludes those that would leak across splits. Imports do this on their
/// own; it is needed once for a database from before near-duplicate detection. Repeating it has no effect.
#[utoipa::path(
    post, path = "/v1/documents/index", tag = "documents",
    responses((status = 200, description = "Numbers of indexed texts and excluded documents", body = IndexReport)),
)]
async fn index(State(state): State<AppState>, Operator(actor): Operator) -> Result<Json<IndexReport>, ApiError> {
    let mut tx = state.database.begin_long().await?;
    let report = backfill_index(&mut tx).await?;
    let details = json!({ "texts_indexed": report.texts_indexed, "documents_excluded": report.documents_excluded });
    record_audit(&mut tx, &actor.name, "document.index", "all", &details).await?;
    tx.commit().await?;
    Ok(Json(report))
}
