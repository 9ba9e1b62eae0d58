//! One field of one document: its state, what a reviewer says about it, its history.

use annotations::documents::{Annotation, get as document};
use annotations::review::{Expected, NewReview, ReviewError, Reviewed, Said, SpanGiven, review, state_of};
use annotations::{FieldHistory, ReviewStatus, history as history_of};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use runs::record_audit;
use serde::Deserialize;
use serde_json::json;
use sqlx::Acquire as _;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::as_of::AsOf;
use crate::api::auth::{Reviewer, Viewer};
use crate::api::error::{ApiError, Problem};
use crate::api::extract::{JsonBody, Params, Segments};
use crate::api::precondition::expected_version;
use crate::api::run_request::idempotency_key;
use crate::api::state::AppState;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(show, put, undo)).routes(routes!(history))
}

/// What a reviewer says.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReviewRequest {
    /// The value or values; an empty list is the answer "no value".
    value: Vec<String>,
    /// Where it stands in the newest text, in code points.
    #[serde(default)]
    spans: Vec<SpanGiven>,
    /// In the reviewer's words, 10,000 characters at most; never a feature.
    #[serde(default)]
    note: Option<String>,
    /// Who decided it; by default the name of the API key.
    #[serde(default)]
    reviewer: Option<String>,
    /// When it was decided; by default now. An older review than the newest is kept and does not become current.
    #[serde(default)]
    occurred_at: Option<DateTime<Utc>>,
    /// Best left out: the status follows from prediction and value. Where it is given and contradicts them, the review is refused.
    #[serde(default)]
    status: Option<ReviewStatus>,
}

/// Shows the current state of a field of a document
///
/// A field about which nobody and nothing has said anything has version 0.
#[utoipa::path(
    get, path = "/v1/documents/{id}/annotations/{field}", tag = "documents", security(("api_key" = ["viewer"])),
    params(("id" = Uuid, Path), ("field" = String, Path)),
    responses(
        (status = 200, description = "The state; its version is the ETag", body = Annotation, headers(("ETag" = String))),
        (status = 404, description = "No such document or field", body = Problem),
        (status = 410, description = "The document was erased", body = Problem),
    ),
)]
async fn show(State(state): State<AppState>, _: Viewer, Segments((id, field)): Segments<(Uuid, String)>) -> Result<Response, ApiError> {
    let mut conn = state.pool.acquire().await?;
    let annotation = match state_of(&mut conn, id, &field).await? {
        Some(annotation) => annotation,
        None => Annotation {
            document_id: id,
            field,
            predicted_value: None,
            accepted_value: None,
            spans: None,
            review_status: ReviewStatus::Unreviewed,
            reviewer: None,
            version: 0,
            occurred_at: None,
            // nothing has changed since it arrived
            updated_at: document(&mut conn, id).await?.ok_or(ReviewError::UnknownDocument(id))?.document.created_at,
        },
    };
    Ok(with_etag(annotation.version, Json(annotation).into_response()))
}

/// Writes the value of a field of a document, as an event
///
/// `If-Match` names the version that the reviewer has seen. It may only be left out for a field that has no state yet. The same
/// `Idempotency-Key` and review again change nothing and answer the same.
#[utoipa::path(
    put, path = "/v1/documents/{id}/annotations/{field}", tag = "documents", security(("api_key" = ["reviewer"])),
    params(
        ("id" = Uuid, Path), ("field" = String, Path),
        ("If-Match" = Option<String>, Header, description = "ETag of the state seen; \"0\" for none yet"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: there must be none yet"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and review change nothing; another review is refused"),
    ),
    request_body = ReviewRequest,
    responses(
        (status = 200, description = "The state after it", body = Reviewed, headers(("ETag" = String))),
        (status = 404, description = "No such document or field", body = Problem),
        (status = 410, description = "The document was erased", body = Problem),
        (status = 412, description = "The state is another by now; `current` has it", body = Problem),
        (status = 422, description = "The value cannot be", body = Problem),
        (status = 423, description = "Somebody else reviews the document; `current` has the lease", body = Problem),
        (status = 428, description = "There is a state, and If-Match does not name it", body = Problem),
    ),
)]
async fn put(
    State(state): State<AppState>,
    Reviewer(actor): Reviewer,
    Segments((id, field)): Segments<(Uuid, String)>,
    headers: HeaderMap,
    body: JsonBody<ReviewRequest>,
) -> Result<Response, ApiError> {
    let ReviewRequest { value, spans, note, reviewer, occurred_at, status } = body.value;
    let review = NewReview {
        spans,
        note,
        reviewer: reviewer.or_else(|| Some(actor.0.clone())),
        occurred_at,
        status,
        ..NewReview::new(id, field, Said::Value(value), &actor.0)
    };
    record(&state, &headers, review, "annotation.review").await
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct UndoQuery {
    /// Who decided it; by default the name of the API key
    reviewer: Option<String>,
}

/// Undoes the review of a field of a document, as an event
///
/// The field is unreviewed afterwards: its value is not learned from. `If-Match` names the version that the reviewer has seen.
#[utoipa::path(
    delete, path = "/v1/documents/{id}/annotations/{field}", tag = "documents", security(("api_key" = ["reviewer"])),
    params(
        ("id" = Uuid, Path), ("field" = String, Path), UndoQuery,
        ("If-Match" = Option<String>, Header, description = "ETag of the state seen"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key changes nothing again"),
    ),
    responses(
        (status = 200, description = "The state after it", body = Reviewed, headers(("ETag" = String))),
        (status = 404, description = "No such document or field", body = Problem),
        (status = 409, description = "It is unreviewed", body = Problem),
        (status = 410, description = "The document was erased", body = Problem),
        (status = 412, description = "The state is another by now; `current` has it", body = Problem),
        (status = 423, description = "Somebody else reviews the document; `current` has the lease", body = Problem),
        (status = 428, description = "If-Match does not name the state", body = Problem),
    ),
)]
async fn undo(
    State(state): State<AppState>,
    Reviewer(actor): Reviewer,
    Segments((id, field)): Segments<(Uuid, String)>,
    Params(query): Params<UndoQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let mut review = NewReview::new(id, field, Said::Undone, &actor.0);
    if query.reviewer.is_some() {
        review.reviewer = query.reviewer;
    }
    record(&state, &headers, review, "annotation.undo").await
}

async fn record(state: &AppState, headers: &HeaderMap, mut new: NewReview, action: &str) -> Result<Response, ApiError> {
    let named = expected_version(headers)?;
    new.expected = named.unwrap_or(Expected::Nothing);
    // keys of two clients may be equal
    new.source_ref = idempotency_key(headers)?.map(|key| format!("key/{}/{key}", new.actor));
    let (actor, subject) = (new.actor.clone(), format!("{}/{}", new.document_id, new.field));
    let mut conn = state.pool.acquire().await?;
    let mut tx = conn.begin().await?;
    let reviewed = review(&mut tx, new).await.map_err(|error| match (error, named) {
        (error @ ReviewError::Stale { .. }, None) => ApiError::precondition_required(error),
        (error, _) => error.into(),
    })?;
    if reviewed.created {
        let annotation = &reviewed.annotation;
        let details = json!({
            "position": reviewed.event_position, "is_current": reviewed.is_current,
            "version": annotation.version, "status": annotation.review_status, "reviewer": annotation.reviewer,
        });
        record_audit(&mut tx, &actor, action, &subject, &details).await?;
    }
    tx.commit().await?;
    Ok(with_etag(reviewed.annotation.version, Json(reviewed).into_response()))
}

fn with_etag(version: i32, mut response: Response) -> Response {
    if let Ok(etag) = HeaderValue::from_str(&format!("\"{version}\"")) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct HistoryQuery {
    /// A position, or a time such as `2026-11-21T08:00:00Z`: marks the event that counted as of then
    as_of: Option<String>,
}

/// Lists all that was ever said about a field of a document
///
/// Events in the order of their positions, predictions, and versions of the text; also of an erased document.
#[utoipa::path(
    get, path = "/v1/documents/{id}/annotations/{field}/history", tag = "documents", security(("api_key" = ["viewer"])),
    params(("id" = Uuid, Path), ("field" = String, Path), HistoryQuery),
    responses((status = 200, description = "The history", body = FieldHistory), (status = 404, description = "No such document or field", body = Problem)),
)]
async fn history(
    State(state): State<AppState>,
    _: Viewer,
    Segments((id, field)): Segments<(Uuid, String)>,
    Params(query): Params<HistoryQuery>,
) -> Result<Json<FieldHistory>, ApiError> {
    let as_of = query.as_of.as_deref().map(AsOf::parse).transpose()?;
    let mut conn = state.pool.acquire().await?;
    let position = match as_of {
        None => None,
        Some(as_of) => Some(as_of.position(&mut conn).await?),
    };
    Ok(Json(history_of(&mut conn, id, &field, position).await?))
}
