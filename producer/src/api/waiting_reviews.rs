//! What waits for review, and accepting many predictions at once.

use annotations::review::{
    Acceptance, Accepted, MOST_ACCEPTED, WaitingField, WaitingFilter, WaitingOrder, WaitingPlace, accept_predictions, waiting,
};
use axum::Json;
use axum::extract::State;
use runs::record_audit;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::Acquire as _;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::auth::{Reviewer, Viewer};
use crate::api::error::{ApiError, Problem};
use crate::api::extract::{JsonBody, Params};
use crate::api::page::{Page, checked_limit, decode_own_cursor, encode_own_cursor};
use crate::api::state::AppState;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(accept))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WaitingQuery {
    /// Only this field
    field: Option<String>,
    /// Only documents of this source
    source: Option<String>,
    /// Only documents of this project
    project: Option<String>,
    /// Only predictions at least so sure, 0 to 1
    min_confidence: Option<f64>,
    /// Only predictions less sure than this
    below_confidence: Option<f64>,
    /// Leaves out documents that somebody other than this reviewer reviews at the moment
    free_for: Option<String>,
    /// `document` (default), or `uncertain`: the least sure prediction first
    #[serde(default)]
    #[param(inline)]
    order: WaitingOrder,
    /// `next_cursor` of the page before
    cursor: Option<String>,
    /// Fields on a page, 1 to 200; default 50
    limit: Option<i64>,
}

/// Place of a page; orders do not mix.
#[derive(Serialize, Deserialize)]
struct Cursor {
    order: WaitingOrder,
    place: WaitingPlace,
}

/// Lists fields of documents that wait for review: predicted and not answered, or the answer was undone
#[utoipa::path(
    get, path = "/v1/annotations/waiting", tag = "documents", security(("api_key" = ["viewer"])), params(WaitingQuery),
    responses((status = 200, description = "A page of them", body = Page<WaitingField>), (status = 422, description = "The query cannot be", body = Problem)),
)]
async fn list(State(state): State<AppState>, _: Viewer, Params(query): Params<WaitingQuery>) -> Result<Json<Page<WaitingField>>, ApiError> {
    let limit = checked_limit(query.limit)?;
    for (name, share) in [("min_confidence", query.min_confidence), ("below_confidence", query.below_confidence)] {
        if share.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            return Err(ApiError::unprocessable("invalid_query", format!("{name} must be a number from 0 to 1")));
        }
    }
    let after: Option<Cursor> = query.cursor.as_deref().map(decode_own_cursor).transpose()?;
    let order = query.order;
    if after.as_ref().is_some_and(|after| after.order != order) {
        return Err(ApiError::unprocessable("invalid_query", "cursor is of another order: start without it"));
    }
    let filter = WaitingFilter {
        field: query.field,
        source: query.source,
        project: query.project,
        min_confidence: query.min_confidence,
        below_confidence: query.below_confidence,
        free_for: query.free_for,
    };
    let mut conn = state.pool.acquire().await?;
    let fields = waiting(&mut conn, &filter, order, after.as_ref().map(|after| &after.place), limit + 1).await?;
    Ok(Json(Page::cut(fields, limit, |field| encode_own_cursor(&Cursor { order, place: field.place() }))))
}

/// Which predictions to accept.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AcceptRequest {
    /// The field.
    field: String,
    /// Least confidence of a prediction, 0 to 1.
    min_confidence: f64,
    /// Only documents of this source.
    #[serde(default)]
    source: Option<String>,
    /// Only documents of this project.
    #[serde(default)]
    project: Option<String>,
    /// Only predictions of this version of the extractor.
    #[serde(default)]
    extractor_version: Option<String>,
    /// Who decides it; by default the name of the API key.
    #[serde(default)]
    reviewer: Option<String>,
    /// Why; by default what was asked for.
    #[serde(default)]
    note: Option<String>,
    /// `next` of the answer before.
    #[serde(default)]
    after: Option<Uuid>,
    /// At most so many documents, 1 to 1,000; default 1,000.
    #[serde(default)]
    limit: Option<i64>,
    /// Changes nothing and tells what would be done.
    #[serde(default)]
    dry_run: bool,
}

/// Accepts predictions of a field of which the extractor was sure enough
///
/// Each becomes an event with who decided and who recorded it. One request is one transaction of at most 1,000 documents, in the order
/// of their ids: while the answer has `next`, send it again with that as `after`. Documents that somebody else reviews are passed by.
#[utoipa::path(
    post, path = "/v1/annotations/accept", tag = "documents", security(("api_key" = ["reviewer"])), request_body = AcceptRequest,
    responses(
        (status = 200, description = "What was accepted", body = Accepted),
        (status = 404, description = "No such field", body = Problem),
        (status = 422, description = "The request cannot be", body = Problem),
    ),
)]
async fn accept(
    State(state): State<AppState>,
    Reviewer(actor): Reviewer,
    JsonBody { value: request, .. }: JsonBody<AcceptRequest>,
) -> Result<Json<Accepted>, ApiError> {
    let asked = Acceptance {
        field: request.field,
        min_confidence: request.min_confidence,
        source: request.source,
        project: request.project,
        extractor_version: request.extractor_version,
        reviewer: request.reviewer.unwrap_or_else(|| actor.0.clone()),
        actor: actor.0.clone(),
        note: request.note,
        after: request.after,
        limit: request.limit.unwrap_or(MOST_ACCEPTED),
        dry_run: request.dry_run,
    };
    let mut conn = state.pool.acquire().await?;
    let mut tx = conn.begin().await?;
    let accepted = accept_predictions(&mut tx, &asked).await?;
    if !asked.dry_run {
        let details = json!({
            "accepted": accepted.accepted, "min_confidence": asked.min_confidence, "reviewer": asked.reviewer,
            "source": asked.source, "project": asked.project, "extractor_version": asked.extractor_version,
        });
        record_audit(&mut tx, &actor.0, "annotation.accept", &asked.field, &details).await?;
    }
    tx.commit().await?;
    Ok(Json(accepted))
}
