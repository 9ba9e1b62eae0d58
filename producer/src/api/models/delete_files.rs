//! Deletes the files of a retired version.

use aprendiz_runs::{ModelVersion, delete_version_files};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::auth::Admin;
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, ApiQuery};
use crate::api::http::operation::routes;
use crate::api::models::revision::checked_reason;
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(delete_files))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DeleteFilesQuery {
    /// Why; kept in the version and in the audit log
    #[param(min_length = 1, max_length = 2000)]
    reason: String,
}

/// Deletes the files of a retired version
///
/// The version, the hashes of its files, its metrics and its history stay; downloads, predictions, comparisons and thresholds answer 410
/// `files_deleted` from then on. Refused with 409 `version_in_use` while something refers to the version: it is not retired, an alias names
/// it, a promotion of it waits for approval, a run that has not ended reads it, or a version that was trained from it still has files.
/// `current` of the error lists these. Repeating the request changes nothing.
#[utoipa::path(
    delete, path = "/v1/models/{name}/versions/{number}/files", tag = "models",
    params(("name" = String, Path), ("number" = i32, Path), DeleteFilesQuery),
    responses(
        (status = 200, description = "The version without its files", body = ModelVersion),
        (status = 404, description = "Model or version not found", body = Problem),
        (status = 409, description = "Something refers to the version", body = Problem),
        (status = 422, description = "A deletion needs a reason", body = Problem),
    ),
)]
async fn delete_files(
    State(state): State<AppState>,
    Admin(actor): Admin,
    ApiPath((name, number)): ApiPath<(String, i32)>,
    ApiQuery(query): ApiQuery<DeleteFilesQuery>,
) -> Result<Json<ModelVersion>, ApiError> {
    let reason = checked_reason(Some(query.reason))?
        .ok_or_else(|| ApiError::unprocessable("reason_required", "a deletion of files needs a reason"))?;
    let mut tx = state.database.begin().await?;
    let version = delete_version_files(&mut tx, &name, number, &actor.name, &reason).await?;
    tx.commit().await?;
    Ok(Json(version))
}
