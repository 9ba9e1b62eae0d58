//! Review files of the pipeline before this one: taken into the tables, or only scored.

use std::io;

use annotations::import::legacy_csv::{LegacyCsvOptions, LegacyCsvReport, LegacyCsvScore, score as score_file, take_in};
use axum::Json;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use runs::record_audit;
use serde::Deserialize;
use serde_json::json;
use sqlx::Acquire as _;
use tokio::sync::mpsc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::auth::{Reviewer, Viewer};
use crate::api::body_reader::BodyReader;
use crate::api::error::{ApiError, Problem};
use crate::api::extract::Params;
use crate::api::imports::{AHEAD, checked, pump};
use crate::api::state::AppState;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    // the body is counted as it streams by, against a limit of its own
    OpenApiRouter::new().routes(routes!(create)).routes(routes!(score)).layer(DefaultBodyLimit::disable())
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct CsvQuery {
    /// Project to look for the documents in, and to create new ones in
    project: Option<String>,
    /// When the rows were reviewed that do not say so themselves; by default now. Newer reviews stay what counts
    reviewed_at: Option<DateTime<Utc>>,
    /// Name of the file, kept with the import
    file_name: Option<String>,
}

/// Takes in a legacy review file, `review.csv`
///
/// A row is a document; columns `<Field>_pred`, `<Field>_gold`, `<Field>_status` are its fields. Rows are found by `document_id`,
/// `task_id` or `file_name`; one that is not there is created where the row has a `text`. Bad rows are quarantined and counted, the rest
/// goes in. The same file twice changes nothing.
#[utoipa::path(
    post, path = "/v1/imports/legacy-csv", tag = "documents", security(("api_key" = ["reviewer"])), params(CsvQuery),
    request_body(content = String, description = "The file, UTF-8", content_type = "text/csv"),
    responses(
        (status = 201, description = "What was taken in", body = LegacyCsvReport),
        (status = 413, description = "The file, or a row of it, is larger than this installation takes", body = Problem),
        (status = 422, description = "No review file; nothing was taken in", body = Problem),
    ),
)]
async fn create(
    State(state): State<AppState>,
    Reviewer(actor): Reviewer,
    Params(query): Params<CsvQuery>,
    body: Body,
) -> Result<(StatusCode, Json<LegacyCsvReport>), ApiError> {
    let options = LegacyCsvOptions {
        actor: actor.0.clone(),
        file_name: checked("file_name", query.file_name)?,
        project: checked("project", query.project)?,
        reviewed_at: query.reviewed_at.unwrap_or_else(Utc::now),
        ratios: state.config.split_ratios,
        most_bytes: state.config.max_import_bytes,
    };
    if options.reviewed_at > Utc::now() + chrono::TimeDelta::minutes(5) {
        return Err(ApiError::unprocessable("invalid_query", "reviewed_at lies in the future: it would win over all later reviews"));
    }
    let mut conn = state.pool.acquire().await?;
    let mut tx = conn.begin().await?;
    let (sender, receiver) = mpsc::channel(AHEAD);
    let pump = pump(body.into_data_stream(), sender, state.config.max_import_bytes);
    let taken = take_in(&mut tx, BodyReader::new(receiver), &options);
    let (taken, pumped) = tokio::join!(taken, pump);
    // what went wrong with the body is the better story than what was made of its end
    pumped?;
    let report = taken?;
    let details = json!({ "rows": report.rows, "documents_created": report.documents_created, "events_created": report.events_created });
    record_audit(&mut tx, &actor.0, "import.legacy_csv", &report.import_id.to_string(), &details).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(report)))
}

/// Scores the predictions of a legacy review file and changes nothing
///
/// Accuracy is over labelled rows, after trimming and case folding; coverage is the share of rows with a prediction.
#[utoipa::path(
    post, path = "/v1/imports/legacy-csv/score", tag = "documents", security(("api_key" = ["viewer"])),
    request_body(content = String, description = "The file, UTF-8", content_type = "text/csv"),
    responses(
        (status = 200, description = "The figures", body = LegacyCsvScore),
        (status = 413, description = "The file, or a row of it, is larger than this installation takes", body = Problem),
        (status = 422, description = "No review file", body = Problem),
    ),
)]
async fn score(State(state): State<AppState>, _: Viewer, body: Body) -> Result<Json<LegacyCsvScore>, ApiError> {
    let limit = state.config.max_import_bytes;
    let (sender, receiver) = mpsc::channel(AHEAD);
    let scoring = tokio::task::spawn_blocking(move || score_file(BodyReader::new(receiver), limit));
    let (scored, pumped) = tokio::join!(scoring, pump(body.into_data_stream(), sender, limit));
    pumped?;
    Ok(Json(scored.map_err(|lost| ApiError::internal(io::Error::other(lost)))??))
}
