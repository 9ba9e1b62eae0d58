//! Downloads for the SPA: dataset snapshot and model of a run.

use aprendiz_db::Scope;
use aprendiz_runs::RunId;
use axum::extract::State;
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;

use crate::api::datasets::download::{DatasetQuery, send_run_dataset};
use crate::api::http::auth::Viewer;
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, ApiQuery};
use crate::api::http::media::Binary;
use crate::api::http::operation::routes;
use crate::api::http::stored_file::FileRequest;
use crate::api::models::download::{ModelQuery, send_run_model};
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(dataset)).routes(routes!(model))
}

/// Downloads the dataset snapshot of a run
#[utoipa::path(
    get, path = "/training-runs/{id}/dataset", tag = "SPA", params(("id" = RunId, Path), DatasetQuery),
    responses(
        (status = 200, description = "A tar archive, or the requested file", body = inline(Binary), content_type = "application/x-tar"),
        (status = 404, description = "Run not found", body = Problem),
        (status = 409, description = "The run has no dataset snapshot yet", body = Problem),
        (status = 410, description = "A document of the snapshot was erased", body = Problem),
    ),
)]
async fn dataset(
    State(state): State<AppState>,
    _: Viewer,
    request: FileRequest,
    ApiPath(id): ApiPath<RunId>,
    ApiQuery(query): ApiQuery<DatasetQuery>,
) -> Result<Response, ApiError> {
    send_run_dataset(&state, &Scope::All, &request, id, &query).await
}

/// Downloads the model that a run published
#[utoipa::path(
    get, path = "/training-runs/{id}/model", tag = "SPA", params(("id" = RunId, Path), ModelQuery),
    responses(
        (status = 200, description = "A tar archive, or the requested file", body = inline(Binary), content_type = "application/x-tar"),
        (status = 404, description = "Run not found", body = Problem),
        (status = 409, description = "The run has not published a model", body = Problem),
        (status = 410, description = "The files of the version were deleted", body = Problem),
    ),
)]
async fn model(
    State(state): State<AppState>,
    _: Viewer,
    request: FileRequest,
    ApiPath(id): ApiPath<RunId>,
    ApiQuery(query): ApiQuery<ModelQuery>,
) -> Result<Response, ApiError> {
    send_run_model(&state, &Scope::All, &request, id, &query).await
}
