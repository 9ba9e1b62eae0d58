//! History of an annotation.

use aprendiz_annotations::{FieldHistory, history as load_history};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::api::documents::erased::require_document;
use crate::api::http::as_of::AsOf;
use crate::api::http::auth::{InScope, Viewer};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, ApiQuery};
use crate::api::http::operation::routes;
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(history))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct HistoryQuery {
    /// A position, or a time such as `2026-11-21T08:00:00Z`: marks the event that was current then
    as_of: Option<String>,
}

/// Shows the full history of a field of a document
///
/// Events ordered by position, predictions, and versions of the text; also available for an erased document.
#[utoipa::path(
    get, path = "/v1/documents/{id}/annotations/{field}/history", tag = "documents",
    params(("id" = Uuid, Path), ("field" = String, Path), HistoryQuery),
    responses(
        (status = 200, description = "The history", body = FieldHistory),
        (status = 404, description = "Document or field not found", body = Problem),
        (status = 422, description = "`future_time`: `as_of` is in the future", body = Problem),
    ),
)]
async fn history(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    ApiPath((id, field)): ApiPath<(Uuid, String)>,
    ApiQuery(query): ApiQuery<HistoryQuery>,
) -> Result<Json<FieldHistory>, ApiError> {
    let as_of = query.as_of.as_deref().map(AsOf::parse).transpose()?;
    let mut conn = state.database.read().await?;
    require_document(&mut conn, &scope, id).await?;
    let position = match as_of {
        None => None,
        Some(as_of) => Some(as_of.position(&mut conn).await?),
    };
    Ok(Json(load_history(&mut conn, id, &field, position).await?))
}
