//! Creates a training run.

use aprendiz_db::Scope;
use aprendiz_run_spec::RunSpec;
use aprendiz_runs::{CreateRun, Created, TrainingRun, create_run, find_run};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use sqlx::PgConnection;
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::auth::{InScope, Operator};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::JsonBody;
use crate::api::http::operation::routes;
use crate::api::http::request_headers::RunHeaders;
use crate::api::runs::validation::validate_spec;
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(create))
}

/// Creates a training run
///
/// The run is stored before the response is sent; workers claim runs by priority, then by age. Unknown keys of the spec, unknown
/// fields and unknown documents are rejected by name.
#[utoipa::path(
    post, path = "/v1/training-runs", tag = "training runs",
    request_body = RunSpec,
    responses(
        (status = 200, description = "With `unique`: the equal run that waits or runs", body = TrainingRun, headers(("Location" = String))),
        (status = 202, description = "The run; Location holds its URL", body = TrainingRun, headers(("Location" = String))),
        (status = 409, description = "The version to evaluate or to predict with is retired", body = Problem),
        (status = 410, description = "The files of the version to evaluate or to predict with were deleted", body = Problem),
        (status = 422, description = "Invalid spec; `future_time`: `as_of` is in the future", body = Problem),
    ),
)]
async fn create(
    State(state): State<AppState>,
    InScope(Operator(actor), scope): InScope<Operator>,
    headers: RunHeaders,
    body: JsonBody<RunSpec>,
) -> Result<Response, ApiError> {
    let mut tx = state.database.begin().await?;
    let spec = validate_spec(&mut tx, &scope, body.value).await?;
    let request = CreateRun {
        spec,
        actor: &actor.name,
        on_behalf_of: None,
        idempotency: headers.idempotency(body.sha256),
        dataset_only: false,
        parent_run_id: None,
        position: None,
        trace_parent: headers.trace_parent(),
        trace_state: headers.trace_state(),
    };
    let created = create_in_scope(&mut tx, &scope, request).await?;
    tx.commit().await?;
    Ok(accepted(created))
}

/// Creates a run of a scope. A key may have the name of an earlier one with another scope, whose idempotency keys it then has as well:
/// their runs stay out of its scope.
pub(in crate::api) async fn create_in_scope(conn: &mut PgConnection, scope: &Scope, request: CreateRun<'_>) -> Result<Created, ApiError> {
    let created = create_run(conn, request).await?;
    if !created.is_new {
        find_run(conn, scope, created.run.id).await?;
    }
    Ok(created)
}

/// The response to a request that created a run, that repeats such a request, or that found an equal run.
pub(in crate::api) fn accepted(created: Created) -> Response {
    let location = format!("/v1/training-runs/{}", created.run.id);
    let status = if created.is_equal { StatusCode::OK } else { StatusCode::ACCEPTED };
    let mut response = (status, Json(created.run)).into_response();
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}
