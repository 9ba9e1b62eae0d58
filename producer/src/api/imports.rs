//! Takes in a Label Studio export: streamed from the request into one transaction, so that a client which goes away, or a
//! file that is bad half-way, leaves nothing behind.

use std::io;
use std::time::Duration;

use annotations::import::{
    ImportLimits, ImportReport, ImportState, StoredOptions, declare_body, import_state, label_studio, request_import,
};
use axum::Json;
use axum::body::{Body, BodyDataStream};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures::StreamExt as _;
use runs::record_audit;
use serde::Deserialize;
use serde_json::json;
use sqlx::Acquire as _;
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;
use tokio::time::timeout;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::auth::Reviewer;
use crate::api::body_reader::BodyReader;
use crate::api::error::{ApiError, Problem};
use crate::api::extract::Params;
use crate::api::state::AppState;

/// Chunks of the body read ahead of the importer.
pub(crate) const AHEAD: usize = 16;
/// A client that sends nothing for so long is gone.
const PATIENCE: Duration = Duration::from_secs(60);
const MAX_NAME: usize = 200;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    // the body is counted as it streams by, against a limit of its own
    OpenApiRouter::new().routes(routes!(create)).layer(DefaultBodyLimit::disable())
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ImportQuery {
    /// Put every task into this project, whatever the task says
    project: Option<String>,
    /// Key of `data` that holds the text; default `text`
    text_key: Option<String>,
    /// Name of the file, kept with the import
    file_name: Option<String>,
    /// Withdraw what the file does not have any more: reviews of annotations that were deleted, and of tasks that were
    #[serde(default)]
    mirror: bool,
    /// Which annotations of a task count: `ignore` (default; all, the newest above the others) or `prefer` (only those that are ground
    /// truth, where a task has some)
    #[serde(default)]
    ground_truth: GroundTruthQuery,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
enum GroundTruthQuery {
    #[default]
    Ignore,
    Prefer,
}

impl ImportQuery {
    pub(crate) fn checked(self) -> Result<StoredOptions, ApiError> {
        Ok(StoredOptions {
            file_name: checked("file_name", self.file_name)?,
            project: checked("project", self.project)?,
            text_key: checked("text_key", self.text_key)?,
            prefer_ground_truth: matches!(self.ground_truth, GroundTruthQuery::Prefer),
            mirror: self.mirror,
        })
    }
}

/// What an import is told, and whether it happens now.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct CreateQuery {
    /// Put every task into this project, whatever the task says
    project: Option<String>,
    /// Key of `data` that holds the text; default `text`
    text_key: Option<String>,
    /// Name of the file, kept with the import
    file_name: Option<String>,
    /// Withdraw what the file does not have any more: reviews of annotations that were deleted, and of tasks that were
    #[serde(default)]
    mirror: bool,
    /// Which annotations of a task count: `ignore` (default; all, the newest above the others) or `prefer` (only those that are ground
    /// truth, where a task has some)
    #[serde(default)]
    ground_truth: GroundTruthQuery,
    /// Store the file and import it in the background: 202 at once, with the address to follow it at
    #[serde(default)]
    background: bool,
}

/// Imports a Label Studio JSON export
///
/// The body is the file, JSON or JSON_MIN, plain or gzip. Bad tasks are quarantined and counted, the rest goes in. The same file twice
/// changes nothing. Documents, fields, answers and predictions are written in one transaction; with `background` that happens after the
/// answer.
#[utoipa::path(
    post, path = "/v1/imports", tag = "documents", security(("api_key" = ["reviewer"])), params(CreateQuery),
    request_body(content = [u8], description = "The export, plain JSON or gzip", content_type = "application/octet-stream"),
    responses(
        (status = 201, description = "What was taken in", body = ImportReport),
        (status = 202, description = "Stored; `Location` is where to follow it", body = ImportState, headers(("Location" = String))),
        (status = 413, description = "Larger than this installation takes", body = Problem),
        (status = 422, description = "Not a good export; nothing was imported", body = Problem),
    ),
)]
async fn create(
    State(state): State<AppState>,
    Reviewer(actor): Reviewer,
    Params(query): Params<CreateQuery>,
    body: Body,
) -> Result<Response, ApiError> {
    let CreateQuery { project, text_key, file_name, mirror, ground_truth, background } = query;
    let stored = ImportQuery { project, text_key, file_name, mirror, ground_truth }.checked()?;
    if background {
        return in_background(&state, &actor.0, &stored, body).await;
    }
    let mut options = stored.options(&actor.0);
    options.ratios = state.config.split_ratios;
    options.limits = ImportLimits { total_bytes: state.config.max_import_decompressed_bytes, ..options.limits };

    let mut conn = state.pool.acquire().await?;
    let mut tx = conn.begin().await?;
    let (sender, receiver) = mpsc::channel(AHEAD);
    let pump = pump(body.into_data_stream(), sender, state.config.max_import_bytes);
    let import = label_studio(&mut tx, BodyReader::new(receiver), &options, |_| {});
    let (imported, pumped) = tokio::join!(import, pump);
    // what went wrong with the body is the better story than what the importer made of its end
    pumped?;
    let report = imported?;
    let details = json!({ "tasks": report.tasks, "documents_created": report.documents_created, "events_created": report.events_created });
    record_audit(&mut tx, &actor.0, "import.create", &report.import_id.to_string(), &details).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(report)).into_response())
}

/// Stores the file, then asks for its import. A file whose request is never made belongs to nothing, and is swept after a day.
async fn in_background(state: &AppState, actor: &str, options: &StoredOptions, body: Body) -> Result<Response, ApiError> {
    let id = Uuid::now_v7();
    let key = format!("imports/{id}");
    let spooled = spool(body, state.config.max_import_bytes).await?;
    let mut conn = state.pool.acquire().await?;
    declare_body(&mut conn, &key).await?;
    drop(conn);
    let uploaded = state.store.upload(&key, spooled.path()).await?;
    let mut tx = state.pool.begin().await?;
    let bytes = i64::try_from(uploaded.bytes).map_err(ApiError::internal)?;
    if !request_import(&mut tx, id, &key, bytes, &uploaded.sha256, actor, options).await? {
        return Err(ApiError::internal(anyhow::anyhow!("the object {key} was swept before its import was asked for")));
    }
    record_audit(&mut tx, actor, "import.request", &id.to_string(), &json!({ "bytes": bytes, "file_name": options.file_name })).await?;
    let import = import_state(&mut tx, id).await?.ok_or(sqlx::Error::RowNotFound)?;
    tx.commit().await?;
    state.imports.notify_one();
    let mut response = (StatusCode::ACCEPTED, Json(import)).into_response();
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/imports/{id}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// The body as a file of this host, which is deleted when it is dropped.
async fn spool(body: Body, limit: u64) -> Result<NamedTempFile, ApiError> {
    let file = tokio::task::spawn_blocking(NamedTempFile::new).await.map_err(ApiError::internal)?.map_err(ApiError::internal)?;
    let mut writer = tokio::fs::File::create(file.path()).await.map_err(ApiError::internal)?;
    let (sender, mut receiver) = mpsc::channel::<io::Result<Bytes>>(AHEAD);
    // a failed write takes the receiver with it, so that nobody sends on
    let write = async move {
        while let Some(Ok(chunk)) = receiver.recv().await {
            writer.write_all(&chunk).await?;
        }
        writer.flush().await
    };
    let (written, pumped) = tokio::join!(write, pump(body.into_data_stream(), sender, limit));
    pumped?;
    written.map_err(ApiError::internal)?;
    Ok(file)
}

pub(crate) fn checked(name: &str, value: Option<String>) -> Result<Option<String>, ApiError> {
    match value {
        Some(value) if value.is_empty() || value.len() > MAX_NAME || value.contains(char::is_control) => {
            Err(ApiError::unprocessable("invalid_query", format!("{name} must be 1 to {MAX_NAME} bytes without control characters")))
        }
        value => Ok(value),
    }
}

/// Hands the body over to the importer, chunk by chunk. Ends early, without an error, when the importer has had enough.
pub(crate) async fn pump(mut body: BodyDataStream, sender: mpsc::Sender<io::Result<Bytes>>, limit: u64) -> Result<(), ApiError> {
    let mut sent = 0;
    loop {
        let broken = |detail: String| ApiError::new(StatusCode::BAD_REQUEST, "read_failed", detail);
        let (error, failed) = match timeout(PATIENCE, body.next()).await {
            Ok(None) => return Ok(()),
            Ok(Some(Ok(chunk))) => {
                sent += chunk.len() as u64;
                if sent <= limit {
                    if sender.send(Ok(chunk)).await.is_err() {
                        return Ok(());
                    }
                    continue;
                }
                let detail =
                    format!("the file is larger than {limit} bytes; nothing was imported: split it, or raise APRENDIZ_MAX_IMPORT_BYTES");
                (ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail), io::ErrorKind::FileTooLarge)
            }
            Ok(Some(Err(_))) => {
                (broken(format!("the body broke off after {sent} bytes; nothing was imported")), io::ErrorKind::ConnectionAborted)
            }
            Err(_) => (
                broken(format!("nothing came for {} s after {sent} bytes; nothing was imported", PATIENCE.as_secs())),
                io::ErrorKind::TimedOut,
            ),
        };
        // the importer must not take the end of the channel for the end of the file
        let _ = sender.send(Err(failed.into())).await;
        return Err(error);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[tokio::test]
    async fn a_body_over_the_limit_ends_in_an_error_for_both_sides() {
        let (sender, receiver) = mpsc::channel(AHEAD);
        let pumped = pump(Body::from(vec![b'x'; 100]).into_data_stream(), sender, 99).await;
        assert!(pumped.is_err());
        let read = tokio::task::spawn_blocking(move || BodyReader::new(receiver).read_to_end(&mut Vec::new())).await.unwrap();
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }

    #[tokio::test]
    async fn a_body_within_the_limit_arrives_whole() {
        let (sender, receiver) = mpsc::channel(AHEAD);
        pump(Body::from(vec![b'x'; 100]).into_data_stream(), sender, 100).await.unwrap();
        let read = tokio::task::spawn_blocking(move || {
            let mut all = Vec::new();
            BodyReader::new(receiver).read_to_end(&mut all).map(|_| all)
        })
        .await
        .unwrap();
        assert_eq!(read.unwrap(), vec![b'x'; 100]);
    }

    #[test]
    fn names_are_checked() {
        assert!(checked("project", Some(String::new())).is_err());
        assert!(checked("project", Some("a\nb".to_owned())).is_err());
        assert_eq!(checked("project", Some("7".to_owned())).unwrap().as_deref(), Some("7"));
    }
}
