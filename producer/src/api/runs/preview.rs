//! Previews a run: what it would learn, without creating it.

use aprendiz_dataset::SelectionRequest;
use aprendiz_dataset::inspect::{SelectionPreview, preview as preview_selection};
use aprendiz_run_spec::{RunKind, RunSpec};
use aprendiz_runs::{estimate_duration, resolve_position};
use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::auth::{InScope, Viewer};
use crate::api::http::dedicated_connection::DedicatedConnections;
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::JsonBody;
use crate::api::http::operation::routes;
use crate::api::runs::validation::validate_spec;
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(preview))
}

/// What a run would learn.
#[derive(Debug, Serialize, ToSchema)]
struct RunPreview {
    #[serde(flatten)]
    selection: SelectionPreview,
    /// Median duration of earlier runs of the kind, of the model if there are any; null without such runs
    estimated_seconds: Option<f64>,
}

/// Previews a run: examples and labels by field and split, warnings and an estimate of its duration
///
/// The body is that of `POST /v1/training-runs`. Nothing is stored.
#[utoipa::path(
    post, path = "/v1/training-runs/preview", tag = "training runs",
    request_body = RunSpec,
    responses(
        (status = 200, description = "What the run would learn", body = RunPreview),
        (status = 403, description = "`scope`: the spec leaves the projects that the API key is limited to", body = Problem),
        (status = 409, description = "The version to evaluate or to predict with is retired", body = Problem),
        (status = 410, description = "The files of the version to evaluate or to predict with were deleted", body = Problem),
        (status = 422, description = "Invalid spec; `no_examples`: no field can be selected", body = Problem),
    ),
)]
async fn preview(
    InScope(Viewer, scope): InScope<Viewer>,
    database: DedicatedConnections,
    body: JsonBody<RunSpec>,
) -> Result<Json<RunPreview>, ApiError> {
    if body.value.kind == RunKind::Predict {
        let detail = "a run of kind `predict` learns nothing: GET /v1/documents lists the documents of a source or project";
        return Err(ApiError::unprocessable("invalid_spec", detail).with_hint("GET /v1/documents", "aprendiz document list"));
    }
    let mut conn = database.connect().await?;
    let spec = validate_spec(&mut conn, &scope, body.value).await?;
    let position = resolve_position(&mut conn, spec.data().as_of).await?;
    let data = spec.data();
    let filter = data.filter.clone();
    let request = SelectionRequest {
        fields: data.fields.clone(),
        documents: data.documents.clone(),
        source: filter.source,
        project: filter.project,
        min_support: data.min_support,
        pairs: None,
        position,
    };
    let selection = preview_selection(&mut conn, request).await?;
    let estimated_seconds = estimate_duration(&mut conn, spec.kind().kind(), spec.model().as_str()).await?;
    Ok(Json(RunPreview { selection, estimated_seconds }))
}
