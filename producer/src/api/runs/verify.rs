//! Verifies a version: creates a run that trains it again from its snapshot and compares the files.

use aprendiz_runs::{CreateRun, TrainingRun, create_verification, get_run, list_run_documents};
use axum::extract::State;
use axum::response::Response;
use sha2::{Digest as _, Sha256};
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::auth::{InScope, Operator};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::ApiPath;
use crate::api::http::operation::routes;
use crate::api::http::request_headers::RunHeaders;
use crate::api::models::version::{find_model_version, require_model};
use crate::api::runs::create::accepted;
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(verify))
}

/// Verifies a version by training it again
///
/// Creates a run of the same kind with the same spec, seed and data. It publishes no version: it compares the SHA-256 of the files and
/// records in the version whether they are `identical`, `different` (with the files), or `not_comparable` (with the reason: a document in
/// the snapshot was erased, the worker has another CPU kernel, or the base model is another one). A retired version can be verified too,
/// even without its files.
#[utoipa::path(
    post, path = "/v1/models/{name}/versions/{number}/verify", tag = "models", params(("name" = String, Path), ("number" = i32, Path)),
    responses(
        (status = 202, description = "The run; Location holds its URL", body = TrainingRun, headers(("Location" = String))),
        (status = 404, description = "Model or version not found", body = Problem),
        (status = 422, description = "The spec of the version is not valid any more", body = Problem),
    ),
)]
async fn verify(
    State(state): State<AppState>,
    InScope(Operator(actor), scope): InScope<Operator>,
    headers: RunHeaders,
    ApiPath((name, number)): ApiPath<(String, i32)>,
) -> Result<Response, ApiError> {
    require_model(&state, &scope, &name).await?;
    let mut tx = state.database.begin().await?;
    let version = find_model_version(&mut tx, &name, Some(number)).await?;
    let original = get_run(&mut tx, version.run_id).await?;
    let mut spec = original.run_spec()?;
    spec.run_after = None;
    spec.data.documents = list_run_documents(&mut tx, version.run_id).await?;
    let request = CreateRun {
        spec: spec.validate()?,
        actor: &actor.name,
        on_behalf_of: None,
        idempotency: headers.idempotency(hex::encode(Sha256::digest(format!("verify {name} {number}")))),
        dataset_only: false,
        parent_run_id: Some(version.run_id),
        position: Some(original.position),
        trace_parent: headers.trace_parent(),
        trace_state: headers.trace_state(),
    };
    let created = create_verification(&mut tx, &version, request).await?;
    tx.commit().await?;
    Ok(accepted(created))
}
