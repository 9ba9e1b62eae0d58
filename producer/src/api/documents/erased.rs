//! Errors for documents that are erased, do not exist or are out of the scope of the request.

use aprendiz_annotations::documents::unknown_ids;
use aprendiz_annotations::erasure::get_erasure;
use aprendiz_db::Scope;
use axum::http::StatusCode;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::api::http::error::ApiError;

/// Returns 410 for an erased document, whose rows are empty.
pub(in crate::api) async fn reject_erased(conn: &mut PgConnection, id: Uuid) -> Result<(), ApiError> {
    let Some(erasure) = get_erasure(conn, id).await? else {
        return Ok(());
    };
    let detail =
        format!("document {id} was erased on {} by {}: {}", erasure.erased_at.format("%Y-%m-%dT%H:%M:%SZ"), erasure.actor, erasure.reason);
    Err(ApiError::new(StatusCode::GONE, "document_erased", detail))
}

/// Returns 404 for a document out of the scope, as for one that does not exist. Call it before anything else about the document.
pub(in crate::api) async fn require_document(conn: &mut PgConnection, scope: &Scope, id: Uuid) -> Result<(), ApiError> {
    if scope.is_all() || unknown_ids(conn, scope, &[id]).await?.is_empty() {
        return Ok(());
    }
    Err(document_not_found(id))
}

pub(super) fn document_not_found(id: Uuid) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "unknown_document", format!("document {id} not found"))
}
