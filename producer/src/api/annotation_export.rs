//! Annotations on the way out: streamed batch by batch, in a stable order, as of a position that the answer names.

use std::io;

use annotations::export::{ExportPlace, ExportReader, ExportSelection, ExportedDocument, TaskParts, shapes};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use runs::resolve_position;
use serde::Deserialize;
use sqlx::PgConnection;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tracing::warn;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::as_of::AsOf;
use crate::api::auth::Viewer;
use crate::api::error::{ApiError, Problem};
use crate::api::export_encoder::Encoder;
use crate::api::extract::Params;
use crate::api::long_read;
use crate::api::state::AppState;
use crate::api::stored_file::{attachment, insert};

/// Chunks read ahead of the client.
const AHEAD: usize = 2;
/// Names the position as of which the answer is.
pub(crate) const POSITION_HEADER: HeaderName = HeaderName::from_static("aprendiz-position");
/// Documents that Label Studio knows: others would become its own when the file is imported.
const LABEL_STUDIO: &str = annotations::import::SOURCE;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(export))
}

/// Form of an export.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ExportFormat {
    /// One JSON object per line: a field of a document with its state and its history.
    #[default]
    Jsonl,
    /// The same rows as Parquet (zstd).
    Parquet,
    /// Tasks with annotations and predictions, as Label Studio and our importer read them.
    LabelStudio,
    /// Tasks with predictions only, to label with their help.
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
    /// Only documents of this source; for Label Studio's formats `label-studio` by default
    source: Option<String>,
    /// Only documents of this project
    project: Option<String>,
    /// Only these fields, with commas between them
    fields: Option<String>,
    /// A position, or a time such as `2026-11-21T08:00:00Z`: as things were then; by default now
    as_of: Option<String>,
    /// Go on after this row of an earlier answer, `DOCUMENT_ID/FIELD` or, for tasks, `DOCUMENT_ID`; with `as_of` = its `Aprendiz-Position`
    after: Option<String>,
    /// At most so many rows or tasks
    limit: Option<u64>,
}

/// Exports annotations with their history, as a stream
///
/// Rows go by document id, then by field. The header `Aprendiz-Position` names the position of the answer: with it as `as_of`, and the
/// last row that arrived as `after`, an answer that broke off goes on where it stopped. Erased documents are left out.
#[utoipa::path(
    get, path = "/v1/annotations/export", tag = "documents", security(("api_key" = ["viewer"])), params(ExportQuery),
    responses(
        (status = 200, description = "The export", content(
            (String = "application/x-ndjson"),
            (Vec<u8> = "application/vnd.apache.parquet"),
            (Vec<Object> = "application/json"),
        ), headers(("Aprendiz-Position" = i64))),
        (status = 422, description = "The query cannot be", body = Problem),
    ),
)]
async fn export(State(state): State<AppState>, _: Viewer, Params(query): Params<ExportQuery>) -> Result<Response, ApiError> {
    let format = query.format;
    let after = query.after.as_deref().map(place_of).transpose()?;
    let as_of = query.as_of.as_deref().map(AsOf::parse).transpose()?;
    let mut conn = long_read::connect(&state).await?;
    let fields = checked_fields(&mut conn, query.fields.as_deref()).await?;
    let position = match as_of {
        Some(as_of) => as_of.position(&mut conn).await?,
        None => resolve_position(&mut conn, None).await?,
    };
    let tasks = matches!(format, ExportFormat::LabelStudio | ExportFormat::LabelStudioPredictions);
    let selection = ExportSelection {
        position,
        source: query.source.or_else(|| tasks.then(|| LABEL_STUDIO.to_owned())),
        project: query.project,
        fields,
        with_texts: tasks,
    };
    let encoder = match format {
        ExportFormat::Jsonl => Encoder::lines(query.limit),
        ExportFormat::Parquet => Encoder::parquet(query.limit).map_err(ApiError::internal)?,
        ExportFormat::LabelStudio => Encoder::tasks(shapes(&mut conn).await?, TaskParts::Everything, query.limit),
        ExportFormat::LabelStudioPredictions => Encoder::tasks(shapes(&mut conn).await?, TaskParts::Predictions, query.limit),
    };
    let mut reader = ExportReader::new(selection, after);
    // before the answer begins: a database that is away is then an error with a status
    let first = reader.next(&mut conn).await?;
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        if let Err(error) = send(conn, reader, first, encoder, &sender).await
            && !sender.is_closed()
        {
            warn!(export.position = position, %error, "an export was broken off");
            // nobody to tell it to is no error
            let _ = sender.send(Err(error)).await;
        }
    });
    let (content_type, name) = described(format);
    let mut headers = HeaderMap::new();
    insert(&mut headers, header::CONTENT_TYPE, content_type);
    insert(&mut headers, header::CONTENT_DISPOSITION, &attachment(name));
    insert(&mut headers, POSITION_HEADER, &position.to_string());
    // nginx would keep it back until a buffer is full
    insert(&mut headers, HeaderName::from_static("x-accel-buffering"), "no");
    Ok((headers, Body::from_stream(ReceiverStream::new(receiver))).into_response())
}

const fn described(format: ExportFormat) -> (&'static str, &'static str) {
    match format {
        ExportFormat::Jsonl => ("application/x-ndjson", "annotations.jsonl"),
        ExportFormat::Parquet => ("application/vnd.apache.parquet", "annotations.parquet"),
        ExportFormat::LabelStudio => ("application/json", "label-studio.json"),
        ExportFormat::LabelStudioPredictions => ("application/json", "label-studio-predictions.json"),
    }
}

fn place_of(text: &str) -> Result<ExportPlace, ApiError> {
    text.parse().map_err(|reason| ApiError::unprocessable("invalid_query", format!("after: {reason}")))
}

async fn checked_fields(conn: &mut PgConnection, given: Option<&str>) -> Result<Vec<String>, ApiError> {
    let names: Vec<String> =
        given.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if names.is_empty() {
        return Ok(names);
    }
    let known = shapes(conn).await?;
    match names.iter().find(|name| !known.contains_key(*name)) {
        Some(unknown) => Err(ApiError::unprocessable("unknown_field", format!("no field `{unknown}`: GET /v1/fields lists them"))),
        None => Ok(names),
    }
}

/// Writes one batch while the next one is read.
async fn send(
    mut conn: PgConnection,
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
        let (encoded, next) = tokio::join!(encoding, reader.next(&mut conn));
        let (returned, chunk) = encoded.map_err(io::Error::other)??;
        encoder = returned;
        push(sender, chunk).await?;
        documents = next.map_err(io::Error::other)?;
    }
    push(sender, encoder.finish()?).await
}

async fn push(sender: &mpsc::Sender<io::Result<Bytes>>, chunk: Vec<u8>) -> io::Result<()> {
    if chunk.is_empty() {
        return Ok(());
    }
    sender.send(Ok(chunk.into())).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
}
