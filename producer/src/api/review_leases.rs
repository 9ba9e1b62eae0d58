//! Who reviews a document at the moment: take a lease, renew it, give it back.

use std::time::Duration;

use annotations::review::{ReviewLease, acquire_lease, lease_of, release_lease};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::TimeDelta;
use runs::record_audit;
use serde::Deserialize;
use serde_json::json;
use sqlx::Acquire as _;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::auth::{Reviewer, Viewer};
use crate::api::document_erasure::refuse_erased;
use crate::api::error::{ApiError, Problem};
use crate::api::extract::{OptionalJsonBody, Params, Segments};
use crate::api::state::AppState;

/// Time of a lease when none is given.
const SECONDS: u64 = 600;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(show, take, release))
}

/// Who wants a lease, and for how long.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LeaseRequest {
    /// Who reviews; by default the name of the API key.
    #[serde(default)]
    reviewer: Option<String>,
    /// Seconds from now, 1 to 86,400; default 600.
    #[serde(default)]
    seconds: Option<u64>,
}

/// Shows who reviews a document at the moment
#[utoipa::path(
    get, path = "/v1/documents/{id}/lease", tag = "documents", security(("api_key" = ["viewer"])), params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "The lease", body = ReviewLease),
        (status = 404, description = "Nobody (`not_leased`), or no such document", body = Problem),
        (status = 410, description = "The document was erased", body = Problem),
    ),
)]
async fn show(State(state): State<AppState>, _: Viewer, Segments(id): Segments<Uuid>) -> Result<Json<ReviewLease>, ApiError> {
    let mut conn = state.pool.acquire().await?;
    refuse_erased(&mut conn, id).await?;
    let nobody = || ApiError::new(StatusCode::NOT_FOUND, "not_leased", format!("nobody reviews document {id} at the moment"));
    lease_of(&mut conn, id).await?.map(Json).ok_or_else(nobody)
}

/// Takes a lease on a document, or renews it
///
/// Until it expires or is given back, nobody else can say anything about the document: other reviewers are refused with 423, which names
/// who has it and until when. The same reviewer again renews it. Imports are not held up.
#[utoipa::path(
    put, path = "/v1/documents/{id}/lease", tag = "documents", security(("api_key" = ["reviewer"])), params(("id" = Uuid, Path)),
    request_body = LeaseRequest,
    responses(
        (status = 200, description = "The lease", body = ReviewLease),
        (status = 404, description = "No such document", body = Problem),
        (status = 410, description = "The document was erased", body = Problem),
        (status = 422, description = "The lease cannot be", body = Problem),
        (status = 423, description = "Somebody else has it; `current` has the lease", body = Problem),
    ),
)]
async fn take(
    State(state): State<AppState>,
    Reviewer(actor): Reviewer,
    Segments(id): Segments<Uuid>,
    OptionalJsonBody { value: request, .. }: OptionalJsonBody<LeaseRequest>,
) -> Result<Json<ReviewLease>, ApiError> {
    let reviewer = request.reviewer.unwrap_or_else(|| actor.0.clone());
    let time = Duration::from_secs(request.seconds.unwrap_or(SECONDS));
    let mut conn = state.pool.acquire().await?;
    let mut tx = conn.begin().await?;
    let lease = acquire_lease(&mut tx, id, &reviewer, &actor.0, time).await?;
    // a renewal is no news: it began before
    let is_new = TimeDelta::from_std(time).is_ok_and(|time| lease.expires_at - lease.acquired_at <= time);
    if is_new {
        let details = json!({ "reviewer": lease.reviewer, "expires_at": lease.expires_at });
        record_audit(&mut tx, &actor.0, "document.lease", &id.to_string(), &details).await?;
    }
    tx.commit().await?;
    Ok(Json(lease))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ReleaseQuery {
    /// Who has it; by default the name of the API key
    reviewer: Option<String>,
}

/// Gives a lease back
///
/// Nothing happens when there is none.
#[utoipa::path(
    delete, path = "/v1/documents/{id}/lease", tag = "documents", security(("api_key" = ["reviewer"])), params(("id" = Uuid, Path), ReleaseQuery),
    responses((status = 204, description = "There is none any more"), (status = 423, description = "Somebody else has it; `current` has the lease", body = Problem)),
)]
async fn release(
    State(state): State<AppState>,
    Reviewer(actor): Reviewer,
    Segments(id): Segments<Uuid>,
    Params(query): Params<ReleaseQuery>,
) -> Result<StatusCode, ApiError> {
    let reviewer = query.reviewer.unwrap_or_else(|| actor.0.clone());
    let mut conn = state.pool.acquire().await?;
    let mut tx = conn.begin().await?;
    if release_lease(&mut tx, id, &reviewer).await? {
        record_audit(&mut tx, &actor.0, "document.release", &id.to_string(), &json!({ "reviewer": reviewer })).await?;
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
