//! Errors for documents that are erased or do not exist.

use aprendiz_annotations::erasure::get_erasure;
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

pub(super) fn document_not_found(id: Uuid) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "unknown_document", format!("document {id} not found"))
}
