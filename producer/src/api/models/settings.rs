//! Settings of a model: description, owner, and the rules by which its champion is chosen.

use aprendiz_evaluation::GateRules;
use aprendiz_run_spec::ModelName;
use aprendiz_runs::{FirstVersion, ModelSettings, NewModelSettings, PromotionPolicy, get_model_settings, put_model_settings};
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::auth::{InScope, Operator, Viewer};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, JsonBody};
use crate::api::http::operation::routes;
use crate::api::http::precondition::{Precondition, with_etag};
use crate::api::models::revision::expected_revision;
use crate::api::models::version::require_model;
use crate::api::state::AppState;

const MAX_DESCRIPTION: usize = 4000;
const MAX_OWNER: usize = 200;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(show, put))
}

/// New settings of a model; what is left out has its default.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SettingsRequest {
    /// What the model is for, at most 4,000 characters.
    #[serde(default)]
    description: String,
    /// Who is responsible for it, at most 200 characters.
    #[serde(default)]
    owner: Option<String>,
    /// Whether version 1 becomes champion when it is published; default `auto`.
    #[serde(default)]
    first_version: FirstVersion,
    /// How later versions become champion; default `manual`.
    #[serde(default)]
    promotion: PromotionPolicy,
    /// Rules of the gate.
    #[serde(default)]
    gate: GateRules,
    /// Share of the predictions of the champion that are compared with those of the alias `challenger`, 0 to 1; default 1.
    #[serde(default = "all")]
    #[schema(minimum = 0, maximum = 1)]
    shadow_share: f64,
}

const fn all() -> f64 {
    1.0
}

/// Shows the settings of a model
#[utoipa::path(
    get, path = "/v1/models/{name}", tag = "models", params(("name" = String, Path)),
    responses(
        (status = 200, description = "The settings; their revision is the ETag", body = ModelSettings, headers(("ETag" = String))),
        (status = 404, description = "Model not found", body = Problem),
    ),
)]
async fn show(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    ApiPath(name): ApiPath<String>,
) -> Result<Response, ApiError> {
    require_model(&state, &scope, &name).await?;
    let settings = get_model_settings(&mut *state.database.read().await?, &name).await?;
    let settings =
        settings.ok_or_else(|| ApiError::new(axum::http::StatusCode::NOT_FOUND, "unknown_model", format!("model `{name}` not found")))?;
    Ok(with_etag(settings.revision, Json(settings)))
}

/// Sets description, owner and promotion rules of a model
///
/// Creates the model if it has no version yet, so that the rules stand before the first one.
#[utoipa::path(
    put, path = "/v1/models/{name}", tag = "models", params(("name" = String, Path)),
    request_body = SettingsRequest,
    responses(
        (status = 200, description = "The settings; their revision is the ETag", body = ModelSettings, headers(("ETag" = String))),
        (status = 404, description = "The model has no version, for an API key that is limited to projects", body = Problem),
        (status = 412, description = "The settings are not those of If-Match", body = Problem),
        (status = 422, description = "Invalid settings", body = Problem),
    ),
)]
async fn put(
    State(state): State<AppState>,
    InScope(Operator(actor), scope): InScope<Operator>,
    ApiPath(name): ApiPath<String>,
    precondition: Precondition,
    body: JsonBody<SettingsRequest>,
) -> Result<Response, ApiError> {
    require_model(&state, &scope, &name).await?;
    let invalid = |detail: String| ApiError::unprocessable("invalid_settings", detail);
    let name = ModelName::try_from(name).map_err(ApiError::from)?;
    let SettingsRequest { description, owner, first_version, promotion, gate, shadow_share } = body.value;
    if description.chars().count() > MAX_DESCRIPTION {
        return Err(invalid(format!("description has more than {MAX_DESCRIPTION} characters")));
    }
    if owner.as_ref().is_some_and(|owner| owner.is_empty() || owner.chars().count() > MAX_OWNER) {
        return Err(invalid(format!("owner must have 1 to {MAX_OWNER} characters")));
    }
    let margins = gate.field_margins.iter().map(|(field, margin)| (format!("field_margins.{field}"), *margin));
    let coverage = gate.coverage_margin.map(|margin| ("coverage_margin".to_owned(), margin));
    for (place, margin) in std::iter::once(("margin".to_owned(), gate.margin)).chain(margins).chain(coverage) {
        if !(0.0..=1.0).contains(&margin) {
            return Err(invalid(format!("gate.{place} is {margin}: it must be between 0 and 1, for example 0.02 for two points")));
        }
    }
    if gate.min_n == 0 || gate.field_margins.len() > 1000 {
        return Err(invalid("gate.min_n must be at least 1, and gate.field_margins can name at most 1,000 fields".to_owned()));
    }
    if !(0.0..=1.0).contains(&shadow_share) {
        return Err(invalid(format!("shadow_share is {shadow_share}: it must be between 0 and 1, for example 0.1 for a tenth")));
    }
    let gate = serde_json::to_value(&gate).map_err(ApiError::internal)?;
    let settings = NewModelSettings { description, owner, first_version, promotion, gate, shadow_share };
    let revision = expected_revision(precondition).map(|revision| i32::try_from(revision).unwrap_or(-1));
    let mut tx = state.database.begin().await?;
    let settings = put_model_settings(&mut tx, name.as_str(), &settings, revision, &actor.name).await?;
    tx.commit().await?;
    Ok(with_etag(settings.revision, Json(settings)))
}
