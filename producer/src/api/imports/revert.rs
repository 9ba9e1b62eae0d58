//! Reverts an import.

use aprendiz_annotations::reverts::{ImportRevert, begin_revert, find_revert, revert_batch, try_revert};
use aprendiz_runs::record_audit;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::api::http::auth::Operator;
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, JsonBody};
use crate::api::http::operation::routes;
use crate::api::imports::show::import_not_found;
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(revert))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RevertRequest {
    /// Why; kept with the revert and in the audit log
    #[serde(default)]
    #[schema(min_length = 1, max_length = 1000)]
    reason: Option<String>,
    /// Reports what would be withdrawn, and writes nothing
    #[serde(default)]
    dry_run: bool,
}

/// Reverts an import: withdraws what only this import contained
///
/// Documents that no other import contains are taken out of all selections; texts, details and predictions that it replaced are restored, and
/// its reviews are withdrawn. What later imports repeat and what reviewers decided stays, and so does the history: snapshots at earlier
/// positions keep their content. Retries of its quarantined tasks are reverted with it. The documents are processed in batches; if the request
/// is interrupted, a server goes on with the rest. A repetition waits for the end and returns the result.
#[utoipa::path(
    post, path = "/v1/imports/{id}/revert", tag = "documents", params(("id" = Uuid, Path)),
    request_body = RevertRequest,
    responses(
        (status = 200, description = "What was withdrawn, or would be", body = ImportRevert),
        (status = 404, description = "Import not found", body = Problem),
        (status = 409, description = "The import has not ended, failed, or is too old", body = Problem),
        (status = 422, description = "Invalid reason", body = Problem),
    ),
)]
async fn revert(
    State(state): State<AppState>,
    Operator(actor): Operator,
    ApiPath(id): ApiPath<Uuid>,
    JsonBody { value: request, .. }: JsonBody<RevertRequest>,
) -> Result<Json<ImportRevert>, ApiError> {
    if request.dry_run {
        let mut conn = state.database.read().await?;
        if let Some(revert) = find_revert(&mut conn, id).await? {
            return Ok(Json(revert));
        }
        drop(conn);
        let mut tx = state.database.begin_long().await?;
        let revert = try_revert(&mut tx, id, &actor.name).await?;
        tx.rollback().await?;
        return Ok(Json(revert));
    }
    // lists the documents of the import: takes long if they are many
    let mut tx = state.database.begin_long().await?;
    if begin_revert(&mut tx, id, &actor.name, request.reason.as_deref()).await? {
        record_audit(&mut tx, &actor.name, "import.revert", &id.to_string(), &json!({ "reason": request.reason })).await?;
    }
    tx.commit().await?;
    loop {
        let mut tx = state.database.begin_long().await?;
        let processed = revert_batch(&mut tx, id).await?;
        tx.commit().await?;
        if !processed {
            break;
        }
    }
    let mut conn = state.database.read().await?;
    find_revert(&mut conn, id).await?.map(Json).ok_or_else(|| import_not_found(id))
}
