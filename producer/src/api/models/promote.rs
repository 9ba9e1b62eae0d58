//! Promotes a version: sets an alias, the champion only through the gate.

use aprendiz_evaluation::{FieldOutcome, GateDecision, GateResult};
use aprendiz_runs::{
    Alias, CHAMPION, Promotion, PromotionPolicy, PromotionRequest, Role, RunsError, find_alias, get_model_settings, promote,
    request_promotion,
};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::auth::{InScope, Operator};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, JsonBody};
use crate::api::http::operation::routes;
use crate::api::http::precondition::{Precondition, with_etag};
use crate::api::models::comparison::gate::ask_gate;
use crate::api::models::revision::{checked_reason, expected_revision};
use crate::api::models::version::{find_model_version, require_model};
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(put))
}

/// A promotion.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PromoteRequest {
    /// Number of the version.
    number: i32,
    /// Why; required with `override`.
    #[serde(default)]
    reason: Option<String>,
    /// Promote against the gate. Requires the role admin and a reason.
    #[serde(default, rename = "override")]
    overridden: bool,
}

/// The alias after a promotion.
#[derive(Debug, Serialize, ToSchema)]
struct Promoted {
    /// The alias.
    #[serde(flatten)]
    alias: Alias,
    /// What the gate decided; null if it was not asked.
    gate: Option<GateResult>,
}

/// Sets an alias
///
/// The alias `champion` answers predictions. A later version becomes champion only if the gate finds that no field becomes worse; otherwise
/// the response is 409 `gate_refused` or `insufficient_evidence`, and an admin can override it with a reason. With the promotion policy
/// `approval`, the response is 202 and another key must approve the request.
#[utoipa::path(
    put, path = "/v1/models/{name}/aliases/{alias}", tag = "models", params(("name" = String, Path), ("alias" = String, Path)),
    request_body = PromoteRequest,
    responses(
        (status = 200, description = "The alias; its revision is the ETag", body = Promoted, headers(("ETag" = String))),
        (status = 202, description = "Another key must approve the promotion", body = PromotionRequest),
        (status = 404, description = "Model or version not found", body = Problem),
        (status = 409, description = "The gate refused, the version is retired, or the alias was changed meanwhile", body = Problem),
        (status = 412, description = "The alias is not that of If-Match", body = Problem),
        (status = 422, description = "Invalid alias, or an override without a reason", body = Problem),
    ),
)]
async fn put(
    State(state): State<AppState>,
    InScope(Operator(actor), scope): InScope<Operator>,
    ApiPath((name, alias)): ApiPath<(String, String)>,
    precondition: Precondition,
    body: JsonBody<PromoteRequest>,
) -> Result<Response, ApiError> {
    require_model(&state, &scope, &name).await?;
    let PromoteRequest { number, reason, overridden } = body.value;
    let reason = checked_reason(reason)?;
    check_alias_name(&alias)?;
    check_override(overridden, reason.as_deref(), actor.role)?;
    let mut conn = state.database.read().await?;
    let candidate = find_model_version(&mut conn, &name, Some(number)).await?;
    if candidate.retired_at.is_some() {
        // before the gate: no comparison lets it through
        return Err(RunsError::VersionRetired { model: name, number }.into());
    }
    let settings = get_model_settings(&mut conn, &name).await?.ok_or_else(|| ApiError::not_found(format!("model `{name}` not found")))?;
    let current = find_alias(&mut conn, &name, &alias).await?;
    let revision = current.as_ref().map_or(0, |current| current.revision);
    if expected_revision(precondition).is_some_and(|expected| expected != revision) {
        return Err(ApiError::alias_changed(current.as_ref()));
    }
    let baseline = match &current {
        Some(current) if alias == CHAMPION && current.number != number => {
            Some(find_model_version(&mut conn, &name, Some(current.number)).await?)
        }
        _ => None,
    };
    drop(conn);
    let gate = match &baseline {
        Some(baseline) => ask_gate(&state.comparison(), &settings, baseline, &candidate).await?,
        None => None,
    };
    check_gate(gate.as_ref(), overridden)?;
    let decided = gate.as_ref().map(serde_json::to_value).transpose().map_err(ApiError::internal)?;
    let overridden = overridden && gate.as_ref().is_some_and(|gate| gate.decision != GateDecision::Passed);
    let promotion = Promotion {
        model: &name,
        alias: &alias,
        number,
        revision,
        actor: &actor.name,
        reason: reason.as_deref(),
        gate: decided.as_ref(),
        overridden,
    };
    let mut tx = state.database.begin().await?;
    if baseline.is_some() && settings.promotion == PromotionPolicy::Approval.as_str() {
        let request = request_promotion(&mut tx, &promotion, &actor).await?;
        tx.commit().await?;
        return Ok((StatusCode::ACCEPTED, Json(request)).into_response());
    }
    let alias = promote(&mut tx, &promotion).await?;
    tx.commit().await?;
    Ok(with_etag(alias.revision, Json(Promoted { alias, gate })))
}

/// A name like `champion`: lower-case letters, digits, `.`, `_`, `-`, starting with a letter, so that it is no version number.
fn check_alias_name(alias: &str) -> Result<(), ApiError> {
    let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    let valid = alias.starts_with(|c: char| c.is_ascii_lowercase()) && alias.chars().all(rest) && alias.len() <= 63;
    if valid {
        return Ok(());
    }
    let detail = "an alias has lower-case letters, digits, `.`, `_` and `-`, starts with a letter and has at most 63 characters, for example \
        `champion`";
    Err(ApiError::unprocessable("invalid_alias", detail))
}

fn check_override(overridden: bool, reason: Option<&str>, role: Role) -> Result<(), ApiError> {
    match (overridden, reason, role) {
        (false, ..) => Ok(()),
        (true, _, role) if role < Role::Admin => {
            Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", "only a key with the role admin can override the gate"))
        }
        (true, None, _) => Err(ApiError::unprocessable("reason_required", "an override of the gate needs a reason")),
        (true, Some(_), _) => Ok(()),
    }
}

/// Refuses a promotion that the gate does not let through, and names the fields.
fn check_gate(gate: Option<&GateResult>, overridden: bool) -> Result<(), ApiError> {
    let Some(gate) = gate.filter(|gate| gate.decision != GateDecision::Passed && !overridden) else { return Ok(()) };
    let passed = |outcome| matches!(outcome, FieldOutcome::Passed | FieldOutcome::NewField);
    let reasons: Vec<String> =
        gate.fields.iter().filter(|field| !passed(field.outcome)).map(|field| format!("{}: {}", field.field, field.reason)).collect();
    let (code, what) = match gate.decision {
        GateDecision::Refused => ("gate_refused", "the gate refuses this version"),
        _ => ("insufficient_evidence", "there are too few common test examples to compare this version with the champion"),
    };
    let reasons = if reasons.is_empty() { "the versions have no field in common".to_owned() } else { reasons.join("; ") };
    let way_out = match gate.decision {
        GateDecision::Refused => "",
        _ => "Review more documents, or set a smaller `min_n` of the gate (`aprendiz model settings NAME --min-n N`). ",
    };
    let detail = format!("{what}: {reasons}. {way_out}An admin can promote it with `override` and a reason");
    Err(ApiError::conflict(code, detail).with_current(serde_json::to_value(gate).ok()))
}
