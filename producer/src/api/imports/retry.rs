//! Retries the quarantined tasks of an import.

use std::io::Cursor;

use aprendiz_annotations::import::{
    ImportLimits, ImportReport, ImportStatus, StoredOptions, import_label_studio, import_state, lock_import, quarantined_file,
};
use aprendiz_runs::record_audit;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::api::http::auth::Reviewer;
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, ApiQuery};
use crate::api::http::operation::routes;
use crate::api::imports::create::wait_for_turn;
use crate::api::imports::options::ImportQuery;
use crate::api::imports::show::import_not_found;
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(retry))
}

/// Retries the quarantined tasks of an import
///
/// For use once the cause is fixed, for example with another `text_key`, a renamed field, or a newer version of Aprendiz. The retry is a
/// separate import with its own report, into the same source, and is reverted with its import.
#[utoipa::path(
    post, path = "/v1/imports/{id}/retry", tag = "documents",
    params(("id" = Uuid, Path), ImportQuery),
    responses(
        (status = 200, description = "What would be imported, with `dry_run`", body = ImportReport),
        (status = 201, description = "The report of the retry", body = ImportReport),
        (status = 404, description = "Import not found", body = Problem),
        (status = 409, description = "The import has not succeeded, or none of its quarantined tasks is stored", body = Problem),
        (status = 410, description = "A document of the file was erased while it was imported", body = Problem),
        (status = 413, description = "The tasks exceed the size limit", body = Problem),
        (status = 422, description = "The tasks are no valid file; nothing was imported", body = Problem),
    ),
)]
async fn retry(
    State(state): State<AppState>,
    Reviewer(actor): Reviewer,
    ApiPath(id): ApiPath<Uuid>,
    ApiQuery(query): ApiQuery<ImportQuery>,
) -> Result<(StatusCode, Json<ImportReport>), ApiError> {
    let dry_run = query.dry_run;
    let stored: StoredOptions = query.into_options()?;
    let _turn = wait_for_turn(&state).await?;
    let mut tx = state.database.begin_long().await?;
    let import = import_state(&mut tx, id).await?.ok_or_else(|| import_not_found(id))?;
    if !lock_import(&mut tx, id).await? {
        return Err(ApiError::conflict("import_reverted", format!("import {id} was reverted: import the file again")));
    }
    if import.status != ImportStatus::Succeeded {
        return Err(ApiError::conflict("wrong_state", format!("import {id} has not succeeded and has no quarantined tasks")));
    }
    let file = quarantined_file(&mut tx, id).await?;
    if !file.contains(&b'{') {
        return Err(ApiError::conflict(
            "nothing_quarantined",
            format!("import {id} has no stored quarantined tasks: import the original file again"),
        ));
    }
    let file_name = stored.file_name.clone().or_else(|| Some(format!("quarantine of {id}")));
    let mut options =
        StoredOptions { file_name, source: Some(stored.source.clone().unwrap_or(import.source)), ..stored }.into_options(&actor.name);
    options.dry_run = dry_run;
    options.retry_of = Some(id);
    options.ratios = state.config.split_ratios;
    options.limits = ImportLimits { total_bytes: state.config.max_import_decompressed_bytes, ..options.limits };
    let report = import_label_studio(&mut tx, Cursor::new(file), &options, |_| {}).await?;
    if dry_run {
        tx.rollback().await?;
        return Ok((StatusCode::OK, Json(report)));
    }
    let details = json!({ "retry_of": id, "tasks": report.tasks, "events_created": report.events_created });
    record_audit(&mut tx, &actor.name, "import.retry", &report.import_id.to_string(), &details).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(report)))
}
