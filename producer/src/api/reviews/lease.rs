//! Review leases: show, acquire or renew, release.

use aprendiz_annotations::reviews::{ReviewLease, acquire_lease, current_lease, release_lease};
use aprendiz_runs::record_audit;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::api::documents::erased::{reject_erased, require_document};
use crate::api::http::auth::{InScope, Reviewer, Viewer};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, ApiQuery, OptionalJsonBody};
use crate::api::http::operation::routes;
use crate::api::state::AppState;

/// Default duration of a lease in seconds.
const DEFAULT_LEASE_SECONDS: u64 = 600;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(show, acquire, release))
}

/// Reviewer and duration of a lease.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LeaseRequest {
    /// The reviewer; default: the name of the API key.
    #[serde(default)]
    reviewer: Option<String>,
    /// Duration in seconds from now, 1 to 86,400; default 600.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 86400)]
    seconds: Option<u64>,
}

/// Shows the review lease of a document
#[utoipa::path(
    get, path = "/v1/documents/{id}/lease", tag = "documents", params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "The lease", body = ReviewLease),
        (status = 404, description = "The document is not leased (`not_leased`), or does not exist", body = Problem),
        (status = 410, description = "The document was erased", body = Problem),
    ),
)]
async fn show(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<Json<ReviewLease>, ApiError> {
    let mut conn = state.database.read().await?;
    require_document(&mut conn, &scope, id).await?;
    reject_erased(&mut conn, id).await?;
    let not_leased = || ApiError::new(StatusCode::NOT_FOUND, "not_leased", format!("document {id} is not leased"));
    current_lease(&mut conn, id).await?.map(Json).ok_or_else(not_leased)
}

/// Acquires or renews the review lease of a document
///
/// While the lease is valid, reviews by others are rejected with 423, which names the holder and the expiry. The same reviewer renews it.
/// Imports are not blocked.
#[utoipa::path(
    put, path = "/v1/documents/{id}/lease", tag = "documents", params(("id" = Uuid, Path)),
    request_body = LeaseRequest,
    responses(
        (status = 200, description = "The lease", body = ReviewLease),
        (status = 404, description = "Document not found", body = Problem),
        (status = 410, description = "The document was erased", body = Problem),
        (status = 422, description = "Invalid lease", body = Problem),
        (status = 423, description = "The document is leased to another reviewer; `current` holds the lease", body = Problem),
    ),
)]
async fn acquire(
    State(state): State<AppState>,
    InScope(Reviewer(actor), scope): InScope<Reviewer>,
    ApiPath(id): ApiPath<Uuid>,
    OptionalJsonBody { value: request, .. }: OptionalJsonBody<LeaseRequest>,
) -> Result<Json<ReviewLease>, ApiError> {
    let reviewer = request.reviewer.unwrap_or_else(|| actor.name.clone());
    let duration = Duration::from_secs(request.seconds.unwrap_or(DEFAULT_LEASE_SECONDS));
    let mut tx = state.database.begin().await?;
    require_document(&mut tx, &scope, id).await?;
    let lease = acquire_lease(&mut tx, id, &reviewer, &actor.name, duration).await?;
    // only a new lease is audited, not a renewal
    let is_new = TimeDelta::from_std(duration).is_ok_and(|duration| lease.expires_at - lease.acquired_at <= duration);
    if is_new {
        let details = json!({ "reviewer": lease.reviewer, "expires_at": lease.expires_at });
        record_audit(&mut tx, &actor.name, "document.lease", &id.to_string(), &details).await?;
    }
    tx.commit().await?;
    Ok(Json(lease))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ReleaseQuery {
    /// Holder of the lease; default: the name of the API key
    reviewer: Option<String>,
}

/// Releases the review lease of a document
///
/// Has no effect if there is none.
#[utoipa::path(
    delete, path = "/v1/documents/{id}/lease", tag = "documents",
    params(("id" = Uuid, Path), ReleaseQuery),
    responses(
        (status = 204, description = "The document is not leased"),
        (status = 404, description = "Document not found, for an API key that is limited to projects", body = Problem),
        (status = 423, description = "The document is leased to another reviewer; `current` holds the lease", body = Problem),
    ),
)]
async fn release(
    State(state): State<AppState>,
    InScope(Reviewer(actor), scope): InScope<Reviewer>,
    ApiPath(id): ApiPath<Uuid>,
    ApiQuery(query): ApiQuery<ReleaseQuery>,
) -> Result<StatusCode, ApiError> {
    let reviewer = query.reviewer.unwrap_or_else(|| actor.name.clone());
    let mut tx = state.database.begin().await?;
    require_document(&mut tx, &scope, id).await?;
    if release_lease(&mut tx, id, &reviewer).await? {
        record_audit(&mut tx, &actor.name, "document.release", &id.to_string(), &json!({ "reviewer": reviewer })).await?;
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
