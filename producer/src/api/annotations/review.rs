//! The annotation of one field of a document: show, review, retract.

use aprendiz_annotation_types::deserialize_time;
use aprendiz_annotations::ReviewStatus;
use aprendiz_annotations::documents::{Annotation, get as document};
use aprendiz_annotations::reviews::{Decision, Expected, NewReview, RecordedReview, ReviewError, SpanInput, current_state, record_review};
use aprendiz_db::Scope;
use aprendiz_runs::record_audit;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::api::documents::erased::require_document;
use crate::api::http::auth::{InScope, Reviewer, Viewer};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, ApiQuery, JsonBody};
use crate::api::http::operation::routes;
use crate::api::http::precondition::{Precondition, with_etag};
use crate::api::http::request_headers::IdempotencyKey;
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(show, put, undo))
}

/// A review of a field.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReviewRequest {
    /// The value or values; an empty list means "no value".
    value: Vec<String>,
    /// Spans of the value in the latest text, in code points.
    #[serde(default)]
    spans: Vec<SpanInput>,
    /// Comment of the reviewer, at most 10,000 characters; never used as a feature.
    #[serde(default)]
    note: Option<String>,
    /// The reviewer; default: the name of the API key.
    #[serde(default)]
    reviewer: Option<String>,
    /// Time of the decision; default: now. A review older than the current one is stored but does not become current.
    #[serde(default, deserialize_with = "deserialize_time")]
    occurred_at: Option<DateTime<Utc>>,
    /// Usually omitted: the status follows from prediction and value. A status that contradicts them is rejected.
    #[serde(default)]
    status: Option<ReviewStatus>,
}

/// Shows the current annotation of a field of a document
///
/// A field without predictions and reviews has version 0.
#[utoipa::path(
    get, path = "/v1/documents/{id}/annotations/{field}", tag = "documents",
    params(("id" = Uuid, Path), ("field" = String, Path)),
    responses(
        (status = 200, description = "The annotation; its version is the ETag", body = Annotation, headers(("ETag" = String))),
        (status = 404, description = "Document or field not found", body = Problem),
        (status = 410, description = "The document was erased", body = Problem),
    ),
)]
async fn show(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    ApiPath((id, field)): ApiPath<(Uuid, String)>,
) -> Result<Response, ApiError> {
    let mut conn = state.database.read().await?;
    require_document(&mut conn, &scope, id).await?;
    let annotation = match current_state(&mut conn, id, &field).await? {
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
            // unchanged since the document was created
            updated_at: document(&mut conn, id).await?.ok_or(ReviewError::UnknownDocument(id))?.document.created_at,
        },
    };
    Ok(with_etag(annotation.version, Json(annotation)))
}

/// Reviews a field of a document
///
/// The review is recorded as an event. `If-Match` names the version that the reviewer has seen; it may be omitted only if the field has no
/// state yet. Repeating a request with the same `Idempotency-Key` has no effect and returns the same response.
#[utoipa::path(
    put, path = "/v1/documents/{id}/annotations/{field}", tag = "documents",
    params(
        ("id" = Uuid, Path), ("field" = String, Path),
    ),
    request_body = ReviewRequest,
    responses(
        (status = 200, description = "The annotation after the change", body = RecordedReview, headers(("ETag" = String))),
        (status = 404, description = "Document or field not found", body = Problem),
        (status = 410, description = "The document was erased", body = Problem),
        (status = 422, description = "Invalid value", body = Problem),
        (status = 423, description = "The document is leased to another reviewer; `current` holds the lease", body = Problem),
    ),
)]
async fn put(
    State(state): State<AppState>,
    InScope(Reviewer(actor), scope): InScope<Reviewer>,
    ApiPath((id, field)): ApiPath<(Uuid, String)>,
    Precondition(expected): Precondition,
    IdempotencyKey(key): IdempotencyKey,
    body: JsonBody<ReviewRequest>,
) -> Result<Response, ApiError> {
    let ReviewRequest { value, spans, note, reviewer, occurred_at, status } = body.value;
    let review = NewReview {
        spans,
        note,
        reviewer: reviewer.or_else(|| Some(actor.name.clone())),
        occurred_at,
        status,
        ..NewReview::new(id, field, Decision::Set(value), &actor.name)
    };
    record(&state, &scope, expected, key, review, "annotation.review").await
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct UndoQuery {
    /// The reviewer; default: the name of the API key
    reviewer: Option<String>,
}

/// Retracts the review of a field of a document
///
/// The retraction is recorded as an event. Afterwards the field is unreviewed and not used for training. `If-Match` names the version that
/// the reviewer has seen.
#[utoipa::path(
    delete, path = "/v1/documents/{id}/annotations/{field}", tag = "documents",
    params(
        ("id" = Uuid, Path), ("field" = String, Path), UndoQuery,
    ),
    responses(
        (status = 200, description = "The annotation after the change", body = RecordedReview, headers(("ETag" = String))),
        (status = 404, description = "Document or field not found", body = Problem),
        (status = 409, description = "The field is not reviewed", body = Problem),
        (status = 410, description = "The document was erased", body = Problem),
        (status = 423, description = "The document is leased to another reviewer; `current` holds the lease", body = Problem),
    ),
)]
async fn undo(
    State(state): State<AppState>,
    InScope(Reviewer(actor), scope): InScope<Reviewer>,
    ApiPath((id, field)): ApiPath<(Uuid, String)>,
    ApiQuery(query): ApiQuery<UndoQuery>,
    Precondition(expected): Precondition,
    IdempotencyKey(key): IdempotencyKey,
) -> Result<Response, ApiError> {
    let mut review = NewReview::new(id, field, Decision::Undo, &actor.name);
    if query.reviewer.is_some() {
        review.reviewer = query.reviewer;
    }
    record(&state, &scope, expected, key, review, "annotation.undo").await
}

async fn record(
    state: &AppState,
    scope: &Scope,
    expected: Option<Expected>,
    key: Option<String>,
    mut new: NewReview,
    action: &str,
) -> Result<Response, ApiError> {
    new.expected = expected.unwrap_or(Expected::Nothing);
    // prefixed by the actor, because two clients may choose the same key
    new.source_ref = key.map(|key| format!("key/{}/{key}", new.actor));
    let (actor, subject) = (new.actor.clone(), format!("{}/{}", new.document_id, new.field));
    let mut tx = state.database.begin().await?;
    require_document(&mut tx, scope, new.document_id).await?;
    let reviewed = record_review(&mut tx, new).await.map_err(|error| match (error, expected) {
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
    Ok(with_etag(reviewed.annotation.version, Json(reviewed)))
}
