//! Starts a training run from the SPA.

use aprendiz_db::Scope;
use aprendiz_run_spec::{DataSpec, RunSpec};
use aprendiz_runs::{CreateRun, RunId, RunStatus, create_run};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::api::http::auth::Operator;
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::JsonBody;
use crate::api::http::operation::routes;
use crate::api::http::request_headers::RunHeaders;
use crate::api::runs::validation::validate_spec;
use crate::api::state::AppState;

/// Maximum length of `triggered_by` in bytes.
const MAX_TRIGGERED_BY_LEN: usize = 100;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(create))
}

/// Request to start a training run.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TrainRequest {
    /// Documents to train on; null or absent: all.
    #[serde(default)]
    document_ids: Option<Vec<Uuid>>,
    /// User who started the run; stored beside the name of the API key.
    #[serde(default)]
    triggered_by: Option<String>,
}

/// The new job.
#[derive(Debug, Serialize, ToSchema)]
struct TrainResponse {
    /// Id of the job; also the id of the training run.
    job_id: RunId,
    /// Status of the job.
    status: RunStatus,
}

/// Starts a training run on documents
#[utoipa::path(
    post, path = "/training-runs", tag = "SPA", request_body = TrainRequest,
    responses(
        (status = 202, description = "The job", body = TrainResponse),
        (status = 422, description = "Unknown documents", body = Problem),
    ),
)]
async fn create(
    State(state): State<AppState>,
    Operator(actor): Operator,
    headers: RunHeaders,
    body: JsonBody<TrainRequest>,
) -> Result<Response, ApiError> {
    let TrainRequest { document_ids, triggered_by } = body.value;
    let spec = default_spec(&state, document_ids)?;
    let triggered_by = triggered_by.as_deref().map(str::trim).filter(|name| !name.is_empty());
    if triggered_by.is_some_and(|name| name.len() > MAX_TRIGGERED_BY_LEN || name.contains(char::is_control)) {
        return Err(ApiError::unprocessable(
            "invalid_body",
            format!("triggered_by must be at most {MAX_TRIGGERED_BY_LEN} bytes without control characters"),
        ));
    }
    let mut tx = state.database.begin().await?;
    let spec = validate_spec(&mut tx, &Scope::All, spec).await?;
    let request = CreateRun {
        spec,
        actor: &actor.name,
        on_behalf_of: triggered_by,
        idempotency: headers.idempotency(body.sha256),
        dataset_only: false,
        parent_run_id: None,
        position: None,
        trace_parent: headers.trace_parent(),
        trace_state: headers.trace_state(),
    };
    let run = create_run(&mut tx, request).await?.run;
    tx.commit().await?;
    let mut response = (StatusCode::ACCEPTED, Json(TrainResponse { job_id: run.id, status: run.status })).into_response();
    if let Ok(location) = HeaderValue::from_str(&format!("/jobs/{}", run.id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// A spec with all defaults, parsed like the spec of a client.
fn default_spec(state: &AppState, documents: Option<Vec<Uuid>>) -> Result<RunSpec, ApiError> {
    let spec: RunSpec = serde_json::from_value(json!({ "model": state.config.default_model })).map_err(ApiError::internal)?;
    Ok(RunSpec { data: DataSpec { documents, ..spec.data }, ..spec })
}
