//! Promotions that another key must approve.

use aprendiz_runs::{PromotionRequest, approve_promotion, get_promotion_request, list_promotion_requests, reject_promotion};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::api::http::auth::{InScope, Operator, Viewer};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, ApiQuery, JsonBody};
use crate::api::http::operation::routes;
use crate::api::http::page::{Page, checked_limit};
use crate::api::models::revision::checked_reason;
use crate::api::models::version::require_model;
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show)).routes(routes!(approve)).routes(routes!(reject))
}

/// State of a promotion request.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub(in crate::api) enum RequestState {
    Pending,
    Approved,
    Rejected,
    Outdated,
}

impl RequestState {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Outdated => "outdated",
        }
    }
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only requests in this state
    #[param(inline)]
    state: Option<RequestState>,
    /// `next_cursor` of the previous page
    cursor: Option<Uuid>,
    /// Page size, 1 to 200; default 50
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// Lists the promotion requests of a model, newest first
#[utoipa::path(
    get, path = "/v1/models/{name}/promotion-requests", tag = "models", params(("name" = String, Path), ListQuery),
    responses((status = 200, description = "A page of requests", body = Page<PromotionRequest>)),
)]
async fn list(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    ApiPath(name): ApiPath<String>,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> Result<Json<Page<PromotionRequest>>, ApiError> {
    require_model(&state, &scope, &name).await?;
    let limit = checked_limit(query.limit)?;
    let mut conn = state.database.read().await?;
    let requests = list_promotion_requests(&mut conn, &name, query.state.map(RequestState::as_str), query.cursor, limit + 1).await?;
    Ok(Json(Page::from_items(requests, limit, |request| request.id.to_string())))
}

/// Shows a promotion request
#[utoipa::path(
    get, path = "/v1/models/{name}/promotion-requests/{id}", tag = "models", params(("name" = String, Path), ("id" = Uuid, Path)),
    responses(
        (status = 200, description = "The request", body = PromotionRequest),
        (status = 404, description = "Request not found", body = Problem),
    ),
)]
async fn show(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    ApiPath((name, id)): ApiPath<(String, Uuid)>,
) -> Result<Json<PromotionRequest>, ApiError> {
    require_model(&state, &scope, &name).await?;
    Ok(Json(get_promotion_request(&mut *state.database.read().await?, &name, id).await?))
}

/// A decision on a promotion request.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DecisionRequest {
    /// Why; required for a rejection.
    #[serde(default)]
    reason: Option<String>,
}

/// Approves a promotion request and sets the alias
///
/// The key that made the request cannot approve it.
#[utoipa::path(
    post, path = "/v1/models/{name}/promotion-requests/{id}/approve", tag = "models", params(("name" = String, Path), ("id" = Uuid, Path)),
    request_body = DecisionRequest,
    responses(
        (status = 200, description = "The approved request", body = PromotionRequest),
        (status = 403, description = "The request was made with this key", body = Problem),
        (status = 404, description = "Request not found", body = Problem),
        (status = 409, description = "The request is decided, the alias has changed since, or the version is retired", body = Problem),
    ),
)]
async fn approve(
    State(state): State<AppState>,
    InScope(Operator(actor), scope): InScope<Operator>,
    ApiPath((name, id)): ApiPath<(String, Uuid)>,
    body: JsonBody<DecisionRequest>,
) -> Result<Json<PromotionRequest>, ApiError> {
    require_model(&state, &scope, &name).await?;
    let reason = checked_reason(body.value.reason)?;
    let mut tx = state.database.begin().await?;
    let (request, _) = approve_promotion(&mut tx, &name, id, &actor, reason.as_deref()).await?;
    tx.commit().await?;
    Ok(Json(request))
}

/// Rejects a promotion request
#[utoipa::path(
    post, path = "/v1/models/{name}/promotion-requests/{id}/reject", tag = "models", params(("name" = String, Path), ("id" = Uuid, Path)),
    request_body = DecisionRequest,
    responses(
        (status = 200, description = "The rejected request", body = PromotionRequest),
        (status = 404, description = "Request not found", body = Problem),
        (status = 409, description = "The request is decided", body = Problem),
        (status = 422, description = "A rejection needs a reason", body = Problem),
    ),
)]
async fn reject(
    State(state): State<AppState>,
    InScope(Operator(actor), scope): InScope<Operator>,
    ApiPath((name, id)): ApiPath<(String, Uuid)>,
    body: JsonBody<DecisionRequest>,
) -> Result<Json<PromotionRequest>, ApiError> {
    require_model(&state, &scope, &name).await?;
    let reason =
        checked_reason(body.value.reason)?.ok_or_else(|| ApiError::unprocessable("reason_required", "a rejection needs a reason"))?;
    let mut tx = state.database.begin().await?;
    let request = reject_promotion(&mut tx, &name, id, &actor, &reason).await?;
    tx.commit().await?;
    Ok(Json(request))
}
