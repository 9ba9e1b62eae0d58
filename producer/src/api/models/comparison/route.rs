//! Compares two versions of models.

use aprendiz_evaluation::GateResult;
use aprendiz_runs::{CHAMPION, ModelVersion, find_alias, find_version_by_run, get_model_settings};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::api::http::auth::Viewer;
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, ApiQuery};
use crate::api::http::operation::routes;
use crate::api::models::comparison::gate::decide_comparison;
use crate::api::models::comparison::versions::{VersionComparison, compare_versions};
use crate::api::models::version::find_model_version;
use crate::api::state::AppState;

pub(in crate::api::models) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(compare_model)).routes(routes!(compare_runs))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ModelQuery {
    /// Number of the version that may replace the other; default: the newest version
    candidate: Option<i32>,
    /// Number of the version that is compared with; default: the champion
    baseline: Option<i32>,
}

/// A comparison, with what the gate of the model says about it.
#[derive(Debug, Serialize, ToSchema)]
struct ModelComparison {
    #[serde(flatten)]
    comparison: VersionComparison,
    /// Decision of the gate of the model, if the candidate were promoted now.
    gate: GateResult,
}

/// Compares two versions of a model
///
/// On the test documents that both have in common. Differences have paired bootstrap intervals, and the gate of the model is asked, without
/// consequences.
#[utoipa::path(
    get, path = "/v1/models/{name}/compare", tag = "models", params(("name" = String, Path), ModelQuery),
    responses(
        (status = 200, description = "The comparison", body = ModelComparison),
        (status = 404, description = "Model or version not found", body = Problem),
        (status = 410, description = "The files of a version were deleted", body = Problem),
        (status = 422, description = "The versions have no test predictions", body = Problem),
    ),
)]
async fn compare_model(
    State(state): State<AppState>,
    _: Viewer,
    ApiPath(name): ApiPath<String>,
    ApiQuery(query): ApiQuery<ModelQuery>,
) -> Result<Json<ModelComparison>, ApiError> {
    let mut conn = state.database.read().await?;
    let candidate = find_model_version(&mut conn, &name, query.candidate).await?;
    let champion = find_alias(&mut conn, &name, CHAMPION).await?;
    let baseline = query.baseline.or(champion.map(|alias| alias.number)).ok_or_else(|| {
        ApiError::conflict("no_champion", format!("model `{name}` has no champion to compare with: name the version as `baseline`"))
    })?;
    let baseline = find_model_version(&mut conn, &name, Some(baseline)).await?;
    let settings = get_model_settings(&mut conn, &name).await?.ok_or_else(|| ApiError::not_found(format!("model `{name}` not found")))?;
    drop(conn);
    let comparison = compare_versions(&state.comparison(), &baseline, &candidate).await?;
    let gate = decide_comparison(&settings, &comparison)?;
    Ok(Json(ModelComparison { comparison, gate }))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RunsQuery {
    /// The run whose version may replace the other
    candidate: Uuid,
    /// The run whose version is compared with
    baseline: Uuid,
}

/// Compares the versions that two runs published
#[utoipa::path(
    get, path = "/v1/training-runs/compare", tag = "training runs", params(RunsQuery),
    responses(
        (status = 200, description = "The comparison", body = VersionComparison),
        (status = 404, description = "Run not found, or it published no version", body = Problem),
        (status = 410, description = "The files of a version were deleted", body = Problem),
        (status = 422, description = "The versions have no test predictions", body = Problem),
    ),
)]
async fn compare_runs(
    State(state): State<AppState>,
    _: Viewer,
    ApiQuery(query): ApiQuery<RunsQuery>,
) -> Result<Json<VersionComparison>, ApiError> {
    let (baseline, candidate) = (version_of_run(&state, query.baseline).await?, version_of_run(&state, query.candidate).await?);
    Ok(Json(compare_versions(&state.comparison(), &baseline, &candidate).await?))
}

async fn version_of_run(state: &AppState, run: Uuid) -> Result<ModelVersion, ApiError> {
    let version = find_version_by_run(&mut *state.database.read().await?, aprendiz_runs::RunId(run)).await?;
    version.ok_or_else(|| ApiError::not_found(format!("run {run} published no version: only runs that trained a model can be compared")))
}
