//! Accepts many predictions of a field at once.

use aprendiz_annotations::reviews::{Acceptance, AcceptedPredictions, MAX_ACCEPTED, accept_predictions};
use aprendiz_runs::record_audit;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::api::http::auth::{InScope, Reviewer};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::JsonBody;
use crate::api::http::operation::routes;
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(accept))
}

/// Filter of the predictions to accept.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AcceptRequest {
    /// Name of the field.
    field: String,
    /// Minimum confidence of a prediction, 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    min_confidence: f64,
    /// Only documents of this source.
    #[serde(default)]
    source: Option<String>,
    /// Only documents of this project.
    #[serde(default)]
    project: Option<String>,
    /// Only predictions of this extractor version.
    #[serde(default)]
    extractor_version: Option<String>,
    /// The reviewer; default: the name of the API key.
    #[serde(default)]
    reviewer: Option<String>,
    /// Note on the reviews; default: a description of this filter.
    #[serde(default)]
    note: Option<String>,
    /// `next` of the previous response.
    #[serde(default)]
    after: Option<Uuid>,
    /// Maximum number of documents, 1 to 1,000; default 1,000.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1000)]
    limit: Option<i64>,
    /// Reports what would be accepted, without changes.
    #[serde(default)]
    dry_run: bool,
}

/// Accepts the predictions of a field above a confidence threshold
///
/// Each acceptance is recorded as an event with the reviewer and the API key. A request is one transaction over at most 1,000 documents,
/// ordered by id. While the response has `next`, repeat the request with it as `after`. Documents leased to another reviewer are skipped.
#[utoipa::path(
    post, path = "/v1/annotations/accept", tag = "documents", request_body = AcceptRequest,
    responses(
        (status = 200, description = "The accepted predictions", body = AcceptedPredictions),
        (status = 404, description = "Field not found", body = Problem),
        (status = 422, description = "Invalid request", body = Problem),
    ),
)]
async fn accept(
    State(state): State<AppState>,
    InScope(Reviewer(actor), scope): InScope<Reviewer>,
    JsonBody { value: request, .. }: JsonBody<AcceptRequest>,
) -> Result<Json<AcceptedPredictions>, ApiError> {
    let acceptance = Acceptance {
        field: request.field,
        min_confidence: request.min_confidence,
        source: request.source,
        project: request.project,
        extractor_version: request.extractor_version,
        reviewer: request.reviewer.unwrap_or_else(|| actor.name.clone()),
        actor: actor.name.clone(),
        note: request.note,
        after: request.after,
        limit: request.limit.unwrap_or(MAX_ACCEPTED),
        dry_run: request.dry_run,
    };
    let mut tx = state.database.begin().await?;
    let accepted = accept_predictions(&mut tx, &scope, &acceptance).await?;
    if !acceptance.dry_run {
        let details = json!({
            "accepted": accepted.accepted, "min_confidence": acceptance.min_confidence, "reviewer": acceptance.reviewer,
            "source": acceptance.source, "project": acceptance.project, "extractor_version": acceptance.extractor_version,
        });
        record_audit(&mut tx, &actor.name, "annotation.accept", &acceptance.field, &details).await?;
    }
    tx.commit().await?;
    Ok(Json(accepted))
}
