//! What a document went into, and its legal erasure.

use annotations::erasure::erasure_of;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use dataset::inspect::{DocumentLineage, ErasedDocument, document_lineage, erase_document};
use runs::record_audit;
use serde::Deserialize;
use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::auth::{Admin, Viewer};
use crate::api::error::{ApiError, Problem};
use crate::api::extract::{JsonBody, Segments};
use crate::api::long_read;
use crate::api::state::AppState;

/// Characters of a reason.
const MAX_REASON: usize = 1000;

/// An erasure waits for an import that is under way, lineage looks at every snapshot.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(lineage)).routes(routes!(erase))
}

/// Says which snapshots hold a document, which runs read them, and which model versions know it
#[utoipa::path(
    get, path = "/v1/documents/{id}/lineage", tag = "documents", security(("api_key" = ["viewer"])), params(("id" = Uuid, Path)),
    responses((status = 200, description = "The lineage, with the versions to retire", body = DocumentLineage), (status = 404, description = "No such document", body = Problem)),
)]
async fn lineage(State(state): State<AppState>, _: Viewer, Segments(id): Segments<Uuid>) -> Result<Json<DocumentLineage>, ApiError> {
    let mut conn = long_read::connect(&state).await?;
    Ok(Json(document_lineage(&mut conn, id).await?))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EraseRequest {
    /// Why, 1 to 1000 characters; it stays for ever, so name the request and not the person.
    #[schema(min_length = 1, max_length = 1000)]
    reason: String,
}

/// Erases the content of a document for ever, and gives up the snapshots that hold it
///
/// The proof stays: hashes of its texts, who reviewed what and when, who erased it and why. Erasing again changes nothing.
#[utoipa::path(
    post, path = "/v1/documents/{id}/erase", tag = "documents", security(("api_key" = ["admin"])), params(("id" = Uuid, Path)),
    request_body = EraseRequest,
    responses(
        (status = 200, description = "What was erased, and the model versions to retire", body = ErasedDocument),
        (status = 404, description = "No such document", body = Problem),
        (status = 422, description = "No reason, or too long a one", body = Problem),
    ),
)]
async fn erase(
    State(state): State<AppState>,
    Admin(actor): Admin,
    Segments(id): Segments<Uuid>,
    JsonBody { value: request, .. }: JsonBody<EraseRequest>,
) -> Result<Json<ErasedDocument>, ApiError> {
    let reason = request.reason.trim();
    if reason.is_empty() || reason.chars().count() > MAX_REASON {
        return Err(ApiError::unprocessable("invalid_reason", format!("a reason is needed, of 1 to {MAX_REASON} characters")));
    }
    let mut conn = long_read::connect(&state).await?;
    let mut tx = conn.begin().await?;
    let erased = erase_document(&mut tx, id, &actor.0, reason).await?;
    if !erased.erased_before {
        let details = json!({
            "reason": reason,
            "position": erased.erasure.position,
            "datasets": erased.erasure.datasets,
            "retire": erased.lineage.retire.len(),
        });
        record_audit(&mut tx, &actor.0, "document.erase", &id.to_string(), &details).await?;
    }
    tx.commit().await?;
    Ok(Json(erased))
}

/// Says that a document is gone, instead of showing its empty rows.
pub(crate) async fn refuse_erased(conn: &mut PgConnection, id: Uuid) -> Result<(), ApiError> {
    let Some(erasure) = erasure_of(conn, id).await? else {
        return Ok(());
    };
    let detail =
        format!("document {id} was erased on {} by {}: {}", erasure.erased_at.format("%Y-%m-%d %H:%M UTC"), erasure.actor, erasure.reason);
    Err(ApiError::new(StatusCode::GONE, "document_erased", detail))
}
