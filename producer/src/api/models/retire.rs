//! Retires a version.

use aprendiz_runs::{ModelVersion, retire_version};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::auth::{InScope, Operator};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, JsonBody};
use crate::api::http::operation::routes;
use crate::api::models::revision::checked_reason;
use crate::api::models::version::require_model;
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(retire))
}

/// A retirement.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RetireRequest {
    /// Why.
    reason: String,
    /// Remove the aliases that name the version.
    #[serde(default)]
    force: bool,
}

/// Retires a version
///
/// It answers nothing any more and cannot be promoted. Its files stay. A version that an alias names is refused, unless `force` removes the
/// alias.
#[utoipa::path(
    post, path = "/v1/models/{name}/versions/{number}/retire", tag = "models", params(("name" = String, Path), ("number" = i32, Path)),
    request_body = RetireRequest,
    responses(
        (status = 200, description = "The retired version", body = ModelVersion),
        (status = 404, description = "Model or version not found", body = Problem),
        (status = 409, description = "An alias names the version", body = Problem),
        (status = 422, description = "A retirement needs a reason", body = Problem),
    ),
)]
async fn retire(
    State(state): State<AppState>,
    InScope(Operator(actor), scope): InScope<Operator>,
    ApiPath((name, number)): ApiPath<(String, i32)>,
    body: JsonBody<RetireRequest>,
) -> Result<Json<ModelVersion>, ApiError> {
    require_model(&state, &scope, &name).await?;
    let RetireRequest { reason, force } = body.value;
    let reason = checked_reason(Some(reason))?.ok_or_else(|| ApiError::unprocessable("reason_required", "a retirement needs a reason"))?;
    let mut tx = state.database.begin().await?;
    let version = retire_version(&mut tx, &name, number, force, &actor.name, &reason).await?;
    tx.commit().await?;
    Ok(Json(version))
}
