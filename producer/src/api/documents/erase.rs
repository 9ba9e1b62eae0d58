//! Erases a document on legal request.

use aprendiz_dataset::inspect::{ErasedDocument, erase_document};
use aprendiz_runs::record_audit;
use axum::Json;
use serde::Deserialize;
use serde_json::json;
use sqlx::Connection as _;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::api::http::auth::Admin;
use crate::api::http::dedicated_connection::DedicatedConnections;
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, JsonBody};
use crate::api::http::operation::routes;
use crate::api::state::AppState;

/// Maximum length of a reason in characters.
const MAX_REASON_CHARS: usize = 1000;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(erase))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EraseRequest {
    /// Reason, 1 to 1000 characters. It is kept permanently: name the request, not the person.
    #[schema(min_length = 1, max_length = 1000)]
    reason: String,
}

/// Erases the content of a document permanently, and invalidates the dataset snapshots that contain it
///
/// A proof remains: hashes of its texts, who reviewed what and when, who erased it and why. Repeating the request has no effect.
#[utoipa::path(
    post, path = "/v1/documents/{id}/erase", tag = "documents", params(("id" = Uuid, Path)),
    request_body = EraseRequest,
    responses(
        (status = 200, description = "The erased content, and the model versions to retire", body = ErasedDocument),
        (status = 404, description = "Document not found", body = Problem),
        (status = 422, description = "The reason is missing or too long", body = Problem),
    ),
)]
async fn erase(
    Admin(actor): Admin,
    database: DedicatedConnections,
    ApiPath(id): ApiPath<Uuid>,
    JsonBody { value: request, .. }: JsonBody<EraseRequest>,
) -> Result<Json<ErasedDocument>, ApiError> {
    let reason = request.reason.trim();
    if reason.is_empty() || reason.chars().count() > MAX_REASON_CHARS {
        return Err(ApiError::unprocessable("invalid_reason", format!("reason must have 1 to {MAX_REASON_CHARS} characters")));
    }
    let mut conn = database.connect().await?;
    let mut tx = conn.begin().await?;
    let erased = erase_document(&mut tx, id, &actor.name, reason).await?;
    if !erased.erased_before {
        let details = json!({
            "reason": reason,
            "position": erased.erasure.position,
            "datasets": erased.erasure.datasets,
            "retire": erased.lineage.retire.len(),
        });
        record_audit(&mut tx, &actor.name, "document.erase", &id.to_string(), &details).await?;
    }
    tx.commit().await?;
    Ok(Json(erased))
}
