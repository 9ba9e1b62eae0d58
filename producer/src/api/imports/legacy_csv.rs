//! Imports or scores legacy review files.

use aprendiz_annotation_types::deserialize_time;
use aprendiz_annotations::import::legacy_csv::{LegacyCsvOptions, LegacyCsvReport, LegacyCsvScore, import_legacy_csv, score as score_file};
use aprendiz_runs::record_audit;
use axum::Json;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;

use crate::api::http::admission::Admission;
use crate::api::http::auth::{Reviewer, Viewer};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::ApiQuery;
use crate::api::http::operation::routes;
use crate::api::imports::create::wait_for_turn;
use crate::api::imports::options::check_name;
use crate::api::imports::spool::spool;
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    // the body is spooled and counted against its own limit
    OpenApiRouter::new().routes(routes!(create)).routes(routes!(score)).layer(DefaultBodyLimit::disable())
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct LegacyCsvQuery {
    /// Project in which documents are looked up and created
    project: Option<String>,
    /// Review time of rows without their own; default: now. More recent reviews stay current
    #[serde(default, deserialize_with = "deserialize_time")]
    reviewed_at: Option<DateTime<Utc>>,
    /// File name, stored with the import
    file_name: Option<String>,
}

/// Imports a legacy review file, `review.csv`
///
/// Each row is a document; the columns `<Field>_pred`, `<Field>_gold` and `<Field>_status` are its fields. Documents are looked up by
/// `document_id`, `task_id` or `file_name`; a missing one is created if the row has a `text`. Invalid rows are quarantined and counted, the
/// others are imported. Importing the same file again has no effect.
#[utoipa::path(
    post, path = "/v1/imports/legacy-csv", tag = "documents", params(LegacyCsvQuery),
    request_body(content = String, description = "The CSV file in UTF-8", content_type = "text/csv"),
    responses(
        (status = 201, description = "The import report", body = LegacyCsvReport),
        (status = 413, description = "The file or one of its rows exceeds the size limit", body = Problem),
        (status = 410, description = "A document of the file was erased while it was imported", body = Problem),
        (status = 422, description = "Not a review file; nothing was imported", body = Problem),
    ),
)]
async fn create(
    State(state): State<AppState>,
    Reviewer(actor): Reviewer,
    admission: Admission,
    ApiQuery(query): ApiQuery<LegacyCsvQuery>,
    body: Body,
) -> Result<(StatusCode, Json<LegacyCsvReport>), ApiError> {
    let options = LegacyCsvOptions {
        actor: actor.name.clone(),
        file_name: check_name("file_name", query.file_name)?,
        project: check_name("project", query.project)?,
        reviewed_at: query.reviewed_at.unwrap_or_else(Utc::now),
        ratios: state.config.split_ratios,
        max_bytes: state.config.max_import_bytes,
    };
    let spooled = spool(&state, &admission, body).await?;
    let _turn = wait_for_turn(&state).await?;
    let mut tx = state.database.begin_long().await?;
    let report = import_legacy_csv(&mut tx, spooled.into_reader(), &options).await?;
    let details = json!({ "rows": report.rows, "documents_created": report.documents_created, "events_created": report.events_created });
    record_audit(&mut tx, &actor.name, "import.legacy_csv", &report.import_id.to_string(), &details).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(report)))
}

/// Scores the predictions of a legacy review file without importing it
///
/// Accuracy is computed over labelled rows after trimming and case folding; coverage is the fraction of rows with a prediction.
#[utoipa::path(
    post, path = "/v1/imports/legacy-csv/score", tag = "documents",
    request_body(content = String, description = "The CSV file in UTF-8", content_type = "text/csv"),
    responses(
        (status = 200, description = "The scores", body = LegacyCsvScore),
        (status = 413, description = "The file or one of its rows exceeds the size limit", body = Problem),
        (status = 422, description = "Not a review file", body = Problem),
    ),
)]
async fn score(State(state): State<AppState>, _: Viewer, admission: Admission, body: Body) -> Result<Json<LegacyCsvScore>, ApiError> {
    let limit = state.config.max_import_bytes;
    let spooled = spool(&state, &admission, body).await?;
    Ok(Json(state.compute.run(move || score_file(spooled.into_reader(), limit)).await??))
}
