//! Retires all model versions that used a document.

use aprendiz_dataset::inspect::{VersionToRetire, document_lineage};
use aprendiz_db::Scope;
use aprendiz_runs::{Role, delete_version_files, record_audit, retire_version};
use axum::Json;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::Connection as _;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::api::http::auth::Operator;
use crate::api::http::dedicated_connection::DedicatedConnections;
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, JsonBody};
use crate::api::http::operation::routes;
use crate::api::models::revision::checked_reason;
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(retire_models))
}

/// A retirement of all versions that used a document.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RetireModelsRequest {
    /// Why; default: the document, and its erasure if it was erased.
    #[serde(default)]
    reason: Option<String>,
    /// Only list the versions, and change nothing.
    #[serde(default)]
    dry_run: bool,
    /// Remove the aliases that name one of the versions.
    #[serde(default)]
    force: bool,
    /// Also delete the files of the versions, including those that are retired already. Requires the role admin.
    #[serde(default)]
    delete_files: bool,
}

/// The versions that used a document, after their retirement.
#[derive(Debug, Serialize, ToSchema)]
struct RetiredModels {
    /// Id of the document.
    document_id: Uuid,
    /// Its name: `SOURCE/PROJECT/TASK`.
    document: String,
    /// Whether nothing was changed, as requested.
    dry_run: bool,
    /// Versions that this request retires; with their aliases before it.
    retired: Vec<VersionToRetire>,
    /// Versions that were retired before.
    retired_before: Vec<VersionToRetire>,
    /// Number of versions whose files this request deletes.
    files_deleted: usize,
    /// Runs on a snapshot with the document that have not ended: they may still publish a version.
    unfinished_runs: Vec<Uuid>,
}

/// Retires all model versions that were trained or evaluated on a document
///
/// All of them or none, in one transaction: if an alias names one of them, the response is 409 `version_aliased` and lists them, unless
/// `force` removes the aliases. With `delete_files`, the files of all of them are deleted too, those that were trained from others first.
#[utoipa::path(
    post, path = "/v1/documents/{id}/retire-models", tag = "documents", params(("id" = Uuid, Path)),
    request_body = RetireModelsRequest,
    responses(
        (status = 200, description = "The retired versions", body = RetiredModels),
        (status = 404, description = "Document not found", body = Problem),
        (status = 409, description = "An alias names a version, or something needs its files; nothing was changed", body = Problem),
        (status = 422, description = "The reason is too long", body = Problem),
    ),
)]
async fn retire_models(
    Operator(actor): Operator,
    database: DedicatedConnections,
    ApiPath(id): ApiPath<Uuid>,
    body: JsonBody<RetireModelsRequest>,
) -> Result<Json<RetiredModels>, ApiError> {
    let RetireModelsRequest { reason, dry_run, force, delete_files } = body.value;
    let reason = checked_reason(reason)?;
    if delete_files && actor.role < Role::Admin {
        return Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", "only a key with the role admin can delete files of versions"));
    }
    let mut conn = database.connect().await?;
    let mut tx = conn.begin().await?;
    let lineage = document_lineage(&mut tx, &Scope::All, id).await?;
    let reason = reason.unwrap_or_else(|| match &lineage.erased {
        Some(_) => format!("document {} was erased", lineage.document),
        None => format!("it used document {}", lineage.document),
    });
    let unfinished_runs = lineage.snapshots.iter().flat_map(|snapshot| &snapshot.runs).filter(|run| !has_ended(&run.status));
    let unfinished_runs: Vec<Uuid> = unfinished_runs.map(|run| run.id).collect();
    let has_files = |version: &&VersionToRetire| delete_files && version.files_deleted_at.is_none();
    let mut with_files: Vec<VersionToRetire> = lineage.retire.iter().filter(has_files).cloned().collect();
    let (retired_before, retired): (Vec<_>, Vec<_>) = lineage.retire.into_iter().partition(|version| version.retired_at.is_some());
    let result = RetiredModels {
        document_id: id,
        document: lineage.document,
        dry_run,
        retired,
        retired_before,
        files_deleted: with_files.len(),
        unfinished_runs,
    };
    if dry_run {
        return Ok(Json(result));
    }
    check_aliases(&result.retired, force)?;
    // by model: concurrent requests lock the rows of the models in the same order
    for VersionToRetire { model, number, .. } in &result.retired {
        retire_version(&mut tx, model, *number, force, &actor.name, &reason).await?;
    }
    // a version that was trained from another one is younger, and its files go first
    with_files.sort_by_key(|version| std::cmp::Reverse(version.published_at));
    for VersionToRetire { model, number, .. } in &with_files {
        delete_version_files(&mut tx, model, *number, &actor.name, &reason).await?;
    }
    let details = json!({
        "reason": reason, "force": force, "retired": result.retired.len(), "files_deleted": result.files_deleted,
    });
    record_audit(&mut tx, &actor.name, "document.retire_models", &id.to_string(), &details).await?;
    tx.commit().await?;
    Ok(Json(result))
}

fn has_ended(status: &str) -> bool {
    matches!(status, "succeeded" | "failed" | "cancelled")
}

/// Refuses versions that an alias names, all in one error.
fn check_aliases(versions: &[VersionToRetire], force: bool) -> Result<(), ApiError> {
    let aliased: Vec<&VersionToRetire> = versions.iter().filter(|version| !version.aliases.is_empty()).collect();
    if force || aliased.is_empty() {
        return Ok(());
    }
    let named = aliased.iter().map(|version| format!("{} version {} is {}", version.model, version.number, version.aliases.join(", ")));
    let detail = format!(
        "aliases name versions that used the document; nothing was changed: {}; promote others first, or retire them with `force`",
        named.collect::<Vec<_>>().join("; ")
    );
    Err(ApiError::conflict("version_aliased", detail).with_current(Some(json!({ "versions": aliased }))))
}
