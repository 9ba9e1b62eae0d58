//! Compares two versions of models.

use aprendiz_db::Scope;
use aprendiz_evaluation::GateResult;
use aprendiz_runs::{CHAMPION, find_alias, find_evaluation, find_run, find_version_by_id, find_version_by_run, get_model_settings};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::api::http::auth::{InScope, Viewer};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, ApiQuery};
use crate::api::http::operation::routes;
use crate::api::models::comparison::gate::decide_comparison;
use crate::api::models::comparison::sides::ComparedRun;
use crate::api::models::comparison::versions::{VersionComparison, compare_run_predictions, compare_versions, compare_with_extractor};
use crate::api::models::version::{find_model_version, require_model};
use crate::api::state::AppState;

pub(in crate::api::models) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(compare_model)).routes(routes!(compare_runs))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ModelQuery {
    /// Number of the version that may replace the other, or `extractor`; default: the newest version
    #[param(value_type = Option<String>)]
    candidate: Option<Side>,
    /// Number of the version that is compared with, or `extractor`; default: the champion
    #[param(value_type = Option<String>)]
    baseline: Option<Side>,
}

/// One side of a comparison, as requests name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
enum Side {
    Number(i32),
    Extractor,
}

impl TryFrom<String> for Side {
    type Error = String;

    fn try_from(side: String) -> Result<Self, String> {
        if side == "extractor" {
            return Ok(Self::Extractor);
        }
        side.parse().map(Self::Number).map_err(|_| format!("`{side}` is neither the number of a version nor `extractor`"))
    }
}

/// A comparison, with what the gate of the model says about it.
#[derive(Debug, Serialize, ToSchema)]
struct ModelComparison {
    #[serde(flatten)]
    comparison: VersionComparison,
    /// Decision of the gate of the model, if the candidate were promoted now; null in a comparison with the extractor.
    gate: Option<GateResult>,
}

/// Compares two versions of a model, or a version with the extractor
///
/// On the test documents that both have in common, by the predictions of their training runs and of their evaluation runs (kind
/// `evaluate` with `model_version`). `suggestions` names evaluation runs that make more documents comparable. The extractor takes part with
/// its stored predictions, as of the snapshot of the version. Differences have paired bootstrap intervals, and the gate of the model is
/// asked, without consequences.
#[utoipa::path(
    get, path = "/v1/models/{name}/compare", tag = "models", params(("name" = String, Path), ModelQuery),
    responses(
        (status = 200, description = "The comparison", body = ModelComparison),
        (status = 404, description = "Model or version not found", body = Problem),
        (status = 409, description = "No `baseline` is given and the model has no champion (`no_champion`)", body = Problem),
        (status = 410, description = "The files of a version were deleted", body = Problem),
        (status = 422, description = "The versions have no test predictions", body = Problem),
    ),
)]
async fn compare_model(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    ApiPath(name): ApiPath<String>,
    ApiQuery(query): ApiQuery<ModelQuery>,
) -> Result<Json<ModelComparison>, ApiError> {
    require_model(&state, &scope, &name).await?;
    let mut conn = state.database.read().await?;
    let number = |side: Option<Side>| match side {
        Some(Side::Number(number)) => Some(number),
        _ => None,
    };
    match (query.candidate, query.baseline) {
        (Some(Side::Extractor), Some(Side::Extractor)) => {
            let detail = "both sides are `extractor`: name a version of the model as one of them";
            return Err(ApiError::unprocessable("not_comparable", detail));
        }
        (candidate, Some(Side::Extractor)) => {
            let candidate = find_model_version(&mut conn, &name, number(candidate)).await?;
            drop(conn);
            let comparison = compare_with_extractor(&state.comparison(), &candidate, false).await?;
            return Ok(Json(ModelComparison { comparison, gate: None }));
        }
        _ => {}
    }
    let champion = find_alias(&mut conn, &name, CHAMPION).await?;
    let baseline = number(query.baseline).or(champion.map(|alias| alias.number)).ok_or_else(|| {
        ApiError::conflict("no_champion", format!("model `{name}` has no champion to compare with: name the version as `baseline`"))
    })?;
    let baseline = find_model_version(&mut conn, &name, Some(baseline)).await?;
    if query.candidate == Some(Side::Extractor) {
        drop(conn);
        let comparison = compare_with_extractor(&state.comparison(), &baseline, true).await?;
        return Ok(Json(ModelComparison { comparison, gate: None }));
    }
    let candidate = find_model_version(&mut conn, &name, number(query.candidate)).await?;
    let settings = get_model_settings(&mut conn, &name).await?.ok_or_else(|| ApiError::not_found(format!("model `{name}` not found")))?;
    drop(conn);
    let comparison = compare_versions(&state.comparison(), &baseline, &candidate).await?;
    let gate = decide_comparison(&settings, &comparison)?;
    Ok(Json(ModelComparison { comparison, gate: Some(gate) }))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RunsQuery {
    /// The run that trained or evaluated the version that may replace the other
    candidate: Uuid,
    /// The run that trained or evaluated the version that is compared with
    baseline: Uuid,
}

/// Compares the predictions of two runs
///
/// Each run published a version, or evaluated one (kind `evaluate` with `model_version`). Exactly their predictions are compared, on the
/// documents that both have in common.
#[utoipa::path(
    get, path = "/v1/training-runs/compare", tag = "training runs", params(RunsQuery),
    responses(
        (status = 200, description = "The comparison", body = VersionComparison),
        (status = 404, description = "Run not found, or it published no version and no evaluation", body = Problem),
        (status = 410, description = "The files of a version, or the predictions of an evaluation, were deleted", body = Problem),
        (status = 422, description = "The versions have no test predictions", body = Problem),
    ),
)]
async fn compare_runs(
    State(state): State<AppState>,
    InScope(Viewer, scope): InScope<Viewer>,
    ApiQuery(query): ApiQuery<RunsQuery>,
) -> Result<Json<VersionComparison>, ApiError> {
    let (baseline, candidate) =
        (find_compared_run(&state, &scope, query.baseline).await?, find_compared_run(&state, &scope, query.candidate).await?);
    Ok(Json(compare_run_predictions(&state.comparison(), &baseline, &candidate).await?))
}

/// The version that a run published or evaluated.
async fn find_compared_run(state: &AppState, scope: &Scope, run: Uuid) -> Result<ComparedRun, ApiError> {
    let id = aprendiz_runs::RunId(run);
    let mut conn = state.database.read().await?;
    if !scope.is_all() {
        find_run(&mut conn, scope, id).await?;
    }
    if let Some(version) = find_version_by_run(&mut conn, id).await? {
        return Ok(ComparedRun { version, evaluation: None });
    }
    let unusable = || {
        let detail = format!(
            "run {run} published no version and no evaluation of one: only succeeded runs that trained a model, or evaluated a version, \
             can be compared"
        );
        ApiError::not_found(detail)
    };
    let evaluation = find_evaluation(&mut conn, id).await?.ok_or_else(unusable)?;
    let version = find_version_by_id(&mut conn, evaluation.version_id).await?.ok_or_else(unusable)?;
    Ok(ComparedRun { version, evaluation: Some(evaluation) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_is_a_number_or_the_extractor() {
        let parse = |side: &str| Side::try_from(side.to_owned());
        assert_eq!((parse("3"), parse("extractor")), (Ok(Side::Number(3)), Ok(Side::Extractor)));
        assert!(parse("champion").unwrap_err().contains("`champion` is neither"));
    }
}
