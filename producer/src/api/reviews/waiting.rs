//! Lists fields that await review.

use aprendiz_annotations::reviews::{WaitingCursor, WaitingField, WaitingFilter, WaitingOrder, list_waiting};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::auth::{InScope, Viewer};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::ApiQuery;
use crate::api::http::operation::routes;
use crate::api::http::page::{Page, checked_limit, decode_json_cursor, encode_json_cursor};
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list))
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
    /// Only predictions of this version of the extractor, or of a published model (`NAME@NUMBER`); they are shown even if a newer prediction
    /// of another version exists
    extractor_version: Option<String>,
    /// Only predictions with at least this confidence, 0 to 1
    #[param(minimum = 0, maximum = 1)]
    min_confidence: Option<f64>,
    /// Only predictions with a lower confidence than this, 0 to 1
    #[param(minimum = 0, maximum = 1)]
    below_confidence: Option<f64>,
    /// Excludes documents that are leased to another reviewer than this one
    free_for: Option<String>,
    /// `document` (default), or `uncertain`: least confident prediction first
    #[serde(default)]
    #[param(inline)]
    order: WaitingOrder,
    /// `next_cursor` of the previous page
    cursor: Option<String>,
    /// Page size, 1 to 200; default 50
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// Cursor of a page. It is only valid for the order it was made for.
#[derive(Serialize, Deserialize)]
struct Cursor {
    order: WaitingOrder,
    after: WaitingCursor,
}

/// Lists fields of documents that await review: predicted but not reviewed, or with a retracted review
#[utoipa::path(
    get, path = "/v1/annotations/waiting", tag = "documents", params(WaitingQuery),
    responses(
        (status = 200, description = "A page of fields", body = Page<WaitingField>),
        (status = 422, description = "Invalid query", body = Problem),
    ),
)]
async fn list(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    ApiQuery(query): ApiQuery<WaitingQuery>,
) -> Result<Json<Page<WaitingField>>, ApiError> {
    let limit = checked_limit(query.limit)?;
    for (name, confidence) in [("min_confidence", query.min_confidence), ("below_confidence", query.below_confidence)] {
        if confidence.is_some_and(|confidence| !(0.0..=1.0).contains(&confidence)) {
            return Err(ApiError::unprocessable("invalid_query", format!("{name} must be a number from 0 to 1")));
        }
    }
    let after: Option<Cursor> = query.cursor.as_deref().map(decode_json_cursor).transpose()?;
    let order = query.order;
    if after.as_ref().is_some_and(|after| after.order != order) {
        return Err(ApiError::unprocessable("invalid_query", "cursor belongs to another order: omit it to start over"));
    }
    let filter = WaitingFilter {
        field: query.field,
        source: query.source,
        project: query.project,
        extractor_version: query.extractor_version,
        min_confidence: query.min_confidence,
        below_confidence: query.below_confidence,
        free_for: query.free_for,
    };
    let mut conn = state.database.read().await?;
    let fields = list_waiting(&mut conn, &scope, &filter, order, after.as_ref().map(|after| &after.after), limit + 1).await?;
    Ok(Json(Page::from_items(fields, limit, |field| encode_json_cursor(&Cursor { order, after: field.cursor() }))))
}
