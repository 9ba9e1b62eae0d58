//! Exports annotations: streamed batch by batch, in a stable order, as of a position named in the response.

use std::io;

use aprendiz_annotations::export::{
    ExportCursor, ExportReader, ExportSelection, ExportedDocument, TaskParts, field_types, label_studio_sources,
};
use aprendiz_db::Scope;
use aprendiz_runs::resolve_position;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use serde::Deserialize;
use sqlx::PgConnection;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tracing::warn;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::api::annotations::export_encoder::Encoder;
use crate::api::http::as_of::AsOf;
use crate::api::http::auth::{InScope, Viewer};
use crate::api::http::dedicated_connection::{DedicatedConnections, StreamConnection};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::ApiQuery;
use crate::api::http::media::{Binary, JsonLines};
use crate::api::http::operation::routes;
use crate::api::http::stored_file::{attachment, insert};
use crate::api::state::AppState;

/// Chunks read ahead of the client. A slow client holds this many, the one being sent and the next batch in memory.
const READ_AHEAD_CHUNKS: usize = 1;
/// Response header with the position of the export.
pub(in crate::api) const POSITION_HEADER: HeaderName = HeaderName::from_static("aprendiz-position");
/// Source of documents that came from Label Studio. Importing others into Label Studio would create new tasks there.
const LABEL_STUDIO: &str = aprendiz_annotations::import::SOURCE;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(export))
}

/// Format of an export.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "kebab-case")]
pub(in crate::api) enum ExportFormat {
    /// One JSON object per line: a field of a document with its state and its history. The last line is `{"end": {"rows", "position"}}`.
    #[default]
    Jsonl,
    /// The same rows as Parquet (zstd).
    Parquet,
    /// Tasks with annotations and predictions, for Label Studio and for `POST /v1/imports`. The last line is `]`.
    LabelStudio,
    /// Tasks with predictions only, for pre-annotation.
    LabelStudioPredictions,
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ExportQuery {
    /// `jsonl` (default), `parquet`, `label-studio`, `label-studio-predictions`
    #[serde(default)]
    #[param(inline)]
    format: ExportFormat,
    /// Only documents of this source; a task file has one source, so it is required if several have documents
    source: Option<String>,
    /// Only documents of this project
    project: Option<String>,
    /// Exports archived documents as well
    #[serde(default)]
    archived: bool,
    /// Only these fields, separated by commas
    fields: Option<String>,
    /// Only predictions of this version of the extractor, or of a published model (`NAME@NUMBER`); reviews are exported all the same
    extractor_version: Option<String>,
    /// A position, or a time such as `2026-11-21T08:00:00Z`: exports the state as of then; default: now
    as_of: Option<String>,
    /// Resumes after this row of an earlier export: `DOCUMENT_ID/FIELD`, or `DOCUMENT_ID` for tasks; use with `as_of` set to its
    /// `Aprendiz-Position`
    after: Option<String>,
    /// Maximum number of rows or tasks
    #[param(format = "uint64")]
    limit: Option<u64>,
}

/// The source of a task file: two sources may have the same task ids, so they are never mixed.
async fn infer_source(conn: &mut PgConnection, scope: &Scope, project: Option<&str>) -> Result<String, ApiError> {
    let mut sources = label_studio_sources(conn, scope, project).await?;
    if sources.len() > 1 {
        let of_project = project.map(|project| format!(" of project {project}")).unwrap_or_default();
        let detail = format!("documents{of_project} are from the sources {}: set `source`, one file for each", sources.join(", "));
        return Err(ApiError::unprocessable("ambiguous_source", detail));
    }
    Ok(sources.pop().unwrap_or_else(|| LABEL_STUDIO.to_owned()))
}

/// Exports annotations with their history, as a stream
///
/// Rows are ordered by document id, then by field. The header `Aprendiz-Position` holds the position of the export. To resume an
/// interrupted export, send that position as `as_of` and the last received row as `after`. Erased documents are excluded.
///
/// Check the end: behind a proxy, a response that was cut off can look complete. JSON lines end with the line `{"end": {"rows": 7,
/// "position": 40}}`, tasks with a line `]`, Parquet with its footer.
#[utoipa::path(
    get, path = "/v1/annotations/export", tag = "documents", params(ExportQuery),
    responses(
        (status = 200, description = "The export", content(
            (inline(JsonLines) = "application/x-ndjson"),
            (inline(Binary) = "application/vnd.apache.parquet"),
            (Vec<Object> = "application/json"),
        ), headers(("Aprendiz-Position" = i64))),
        (status = 422, description = "`unknown_field`: a field does not exist; `ambiguous_source`: a task file would mix several sources; `future_time`: `as_of` is in the future", body = Problem),
    ),
)]
async fn export(
    InScope(Viewer, scope): InScope<Viewer>,
    database: DedicatedConnections,
    ApiQuery(query): ApiQuery<ExportQuery>,
) -> Result<Response, ApiError> {
    let format = query.format;
    let after = query.after.as_deref().map(parse_cursor).transpose()?;
    let as_of = query.as_of.as_deref().map(AsOf::parse).transpose()?;
    let mut conn = database.connect().await?;
    let fields = parse_fields(&mut conn, query.fields.as_deref()).await?;
    let position = match as_of {
        Some(as_of) => as_of.position(&mut conn).await?,
        None => resolve_position(&mut conn, None).await?,
    };
    let tasks = matches!(format, ExportFormat::LabelStudio | ExportFormat::LabelStudioPredictions);
    let source = match query.source {
        None if tasks => Some(infer_source(&mut conn, &scope, query.project.as_deref()).await?),
        source => source,
    };
    let selection = ExportSelection {
        position,
        source,
        project: query.project,
        fields,
        extractor_version: query.extractor_version,
        with_archived: query.archived,
        with_texts: tasks,
    };
    let encoder = match format {
        ExportFormat::Jsonl => Encoder::lines(query.limit, position),
        ExportFormat::Parquet => Encoder::parquet(query.limit).map_err(ApiError::internal)?,
        ExportFormat::LabelStudio => Encoder::tasks(field_types(&mut conn).await?, TaskParts::Everything, query.limit),
        ExportFormat::LabelStudioPredictions => Encoder::tasks(field_types(&mut conn).await?, TaskParts::Predictions, query.limit),
    };
    let mut reader = ExportReader::new(scope, selection, after);
    // read before the response starts, so that an unavailable database is reported as an error status
    let first_batch = reader.next_batch(&mut conn).await?;
    let (sender, receiver) = mpsc::channel(READ_AHEAD_CHUNKS);
    let conn = StreamConnection::new(database, conn);
    tokio::spawn(async move {
        if let Err(error) = send(conn, reader, first_batch, encoder, &sender).await
            && !sender.is_closed()
        {
            warn!(export.position = position, %error, "export aborted");
            // the send fails only if the client has disconnected
            let _ = sender.send(Err(error)).await;
        }
    });
    let (content_type, name) = content_type_and_name(format);
    let mut headers = HeaderMap::new();
    insert(&mut headers, header::CONTENT_TYPE, content_type);
    insert(&mut headers, header::CONTENT_DISPOSITION, &attachment(name));
    insert(&mut headers, POSITION_HEADER, &position.to_string());
    // disables buffering in nginx
    insert(&mut headers, HeaderName::from_static("x-accel-buffering"), "no");
    Ok((headers, Body::from_stream(ReceiverStream::new(receiver))).into_response())
}

const fn content_type_and_name(format: ExportFormat) -> (&'static str, &'static str) {
    match format {
        ExportFormat::Jsonl => ("application/x-ndjson", "annotations.jsonl"),
        ExportFormat::Parquet => ("application/vnd.apache.parquet", "annotations.parquet"),
        ExportFormat::LabelStudio => ("application/json", "label-studio.json"),
        ExportFormat::LabelStudioPredictions => ("application/json", "label-studio-predictions.json"),
    }
}

fn parse_cursor(text: &str) -> Result<ExportCursor, ApiError> {
    text.parse().map_err(|reason| ApiError::unprocessable("invalid_query", format!("after: {reason}")))
}

async fn parse_fields(conn: &mut PgConnection, given: Option<&str>) -> Result<Vec<String>, ApiError> {
    let names: Vec<String> =
        given.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if names.is_empty() {
        return Ok(names);
    }
    let known = field_types(conn).await?;
    match names.iter().find(|name| !known.contains_key(*name)) {
        Some(unknown) => Err(ApiError::unprocessable("unknown_field", format!("unknown field `{unknown}`"))
            .with_hint("GET /v1/fields", "aprendiz field list")),
        None => Ok(names),
    }
}

/// Encodes and sends one batch while the next one is read.
async fn send(
    mut conn: StreamConnection,
    mut reader: ExportReader,
    mut documents: Vec<ExportedDocument>,
    mut encoder: Encoder,
    sender: &mpsc::Sender<io::Result<Bytes>>,
) -> io::Result<()> {
    while !documents.is_empty() && !encoder.is_full() {
        let encoding = tokio::task::spawn_blocking(move || {
            let chunk = encoder.encode(&documents)?;
            io::Result::Ok((encoder, chunk))
        });
        let next = async { reader.next_batch(conn.get().await?).await.map_err(io::Error::other) };
        let (encoded, next) = tokio::join!(encoding, next);
        let (returned, chunk) = encoded.map_err(io::Error::other)??;
        encoder = returned;
        push(&mut conn, sender, chunk).await?;
        documents = next?;
    }
    push(&mut conn, sender, encoder.finish()?).await
}

async fn push(conn: &mut StreamConnection, sender: &mpsc::Sender<io::Result<Bytes>>, chunk: Vec<u8>) -> io::Result<()> {
    if chunk.is_empty() {
        return Ok(());
    }
    conn.wait_for_client(sender.send(Ok(chunk.into()))).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
}
