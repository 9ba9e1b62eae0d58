//! The importer of legacy review files: connects the reading thread with the writing transaction.

use std::io::Read;
use std::path::Path;

use aprendiz_annotation_types::Clock;
use aprendiz_legacy_csv::{KnownFields, ReadError, ReadSummary, ReviewFileReader, ReviewRow, RowDocument};
use chrono::Utc;
use sqlx::{Connection, PgConnection};
use tokio::sync::mpsc;
use tracing::info;
use uuid::Uuid;

use crate::clock::read_clock;
use crate::documents::Metadata;
use crate::fields::{load_field_names, load_normalizers};
use crate::import::error::ImportError;
use crate::import::legacy_csv::error::LegacyCsvError;
use crate::import::legacy_csv::merge::{StagedImport, merge};
use crate::import::legacy_csv::options::LegacyCsvOptions;
use crate::import::legacy_csv::report::LegacyCsvReport;
use crate::import::legacy_csv::source::SOURCE;
use crate::import::legacy_csv::staging::{self, CellColumns, RowColumns};
use crate::import::new_document::NewDocument;
use crate::import::reader_thread;
use crate::import::staging::Batch;

/// Project of new documents if neither the file nor the options name one.
const DEFAULT_PROJECT: &str = "legacy";
/// Maximum number of rows of a chunk.
const CHUNK_ROWS: usize = 500;
/// Bytes of texts from which on a chunk is sent to the database.
const CHUNK_TEXT_BYTES: usize = 4 << 20;
/// Capacity of the channel between the reading thread and the database, in chunks.
const CHUNK_QUEUE_CAPACITY: usize = 2;

/// Rows on their way to the database.
#[derive(Debug, Default)]
struct Chunk {
    rows: RowColumns,
    cells: CellColumns,
    documents: Batch,
    text_bytes: usize,
}

/// Imports a legacy review file from a blocking reader.
///
/// Runs in its own transaction, or in a savepoint if `conn` is in a transaction, which then must be committed. Invalid rows are
/// quarantined; importing the same file again changes nothing.
///
/// # Errors
/// If it is not a review file or cannot be read, or Postgres is unavailable. Nothing is left behind then.
pub async fn import_legacy_csv<R>(conn: &mut PgConnection, input: R, options: &LegacyCsvOptions) -> Result<LegacyCsvReport, LegacyCsvError>
where
    R: Read + Send + 'static,
{
    let started_at = Utc::now();
    let input: Box<dyn Read + Send> = Box::new(input);
    let mut transaction = conn.begin().await?;
    let conn = &mut *transaction;
    let clock = read_clock(conn).await?;
    if let Err(reason) = clock.check(options.reviewed_at) {
        return Err(LegacyCsvError::FutureReviews { reason });
    }
    let known = load_known_fields(conn).await?;
    crate::import::staging::create(conn).await?;
    staging::create(conn).await?;
    let (sender, mut chunks) = mpsc::channel::<Chunk>(CHUNK_QUEUE_CAPACITY);
    let reading = tokio::task::spawn_blocking({
        let options = options.clone();
        move || read_chunks(input, &options, &known, clock, &mut |chunk| sender.blocking_send(chunk).is_ok())
    });
    while let Some(chunk) = chunks.recv().await {
        staging::insert(conn, &chunk.rows, &chunk.cells).await?;
        crate::import::staging::insert(conn, &chunk.documents).await?;
    }
    let summary = reader_thread::join(reading).await.map_err(ReadError::Io)??;
    let report = merge(conn, options, StagedImport { import_id: Uuid::now_v7(), started_at, summary }).await?;
    staging::drop(conn).await?;
    crate::import::staging::drop(conn).await?;
    transaction.commit().await?;
    info!(import.id = %report.import_id, import.rows = report.rows, import.events_created = report.events_created, "imported a legacy review file");
    Ok(report)
}

async fn load_known_fields(conn: &mut PgConnection) -> Result<KnownFields, sqlx::Error> {
    let allowed = sqlx::query!(r#"SELECT name, allowed_values AS "allowed_values!" FROM fields WHERE allowed_values IS NOT NULL"#)
        .fetch_all(&mut *conn)
        .await?;
    Ok(KnownFields {
        names: load_field_names(conn).await?,
        normalizers: load_normalizers(conn).await?,
        allowed_values: allowed.into_iter().map(|field| (field.name, field.allowed_values)).collect(),
    })
}

/// Reads the whole file and emits chunks. Stops early, without an error, when `emit` returns `false`.
fn read_chunks(
    input: Box<dyn Read + Send>,
    options: &LegacyCsvOptions,
    known: &KnownFields,
    clock: Clock,
    emit: &mut dyn FnMut(Chunk) -> bool,
) -> Result<ReadSummary, ReadError> {
    let mut reader = ReviewFileReader::open(input, options.max_bytes, known)?;
    let mut chunk = Chunk::default();
    while let Some(row) = reader.next()? {
        let number = row.number;
        if let Err(reason) = chunk.push(row, options, clock) {
            reader.quarantine(number, &reason);
        }
        if (chunk.rows.row.len() >= CHUNK_ROWS || chunk.text_bytes >= CHUNK_TEXT_BYTES) && !emit(std::mem::take(&mut chunk)) {
            return Ok(reader.into_summary());
        }
    }
    emit(chunk);
    Ok(reader.into_summary())
}

impl Chunk {
    /// Adds a row, or returns why it is quarantined.
    fn push(&mut self, row: ReviewRow, options: &LegacyCsvOptions, clock: Clock) -> Result<(), String> {
        if let Some(time) = row.reviewed_at {
            clock
                .check(time)
                .map_err(|reason| format!("the time of its reviews {reason}; correct the time, and the clock that wrote it"))?;
        }
        let index = i64::try_from(row.number).expect("a file has fewer than 2^63 rows");
        let project = options.project.clone().or(row.project);
        let has_text = row.document.is_some();
        if let Some(RowDocument { task_id, text, metadata }) = row.document {
            let new = NewDocument {
                source: SOURCE.to_owned(),
                project: project.clone().unwrap_or_else(|| DEFAULT_PROJECT.to_owned()),
                task_id,
                file_name: row.file_name.clone(),
                metadata: Metadata::from_entries(&metadata).map_err(|error| error.to_string())?,
                text,
            };
            let document = new.validate().map_err(|error| match error {
                ImportError::InvalidDocument { part, reason } => format!("{part}: {reason}"),
                other => other.to_string(),
            })?;
            self.text_bytes += document.text.len();
            self.documents.push_document(row.number, &document, options.ratios);
        }
        let rows = &mut self.rows;
        rows.row.push(index);
        rows.given_id.push(row.document_id);
        rows.project.push(project);
        rows.task_id.push(row.task_id);
        rows.written_task_id.push(row.written_task_id);
        rows.base_name.push(row.file_name.as_deref().and_then(base_name));
        rows.file_name.push(row.file_name);
        rows.has_text.push(has_text);
        rows.reviewer.push(row.reviewer);
        rows.reviewed_at.push(row.reviewed_at);
        for (field, cell) in row.cells {
            let value = |value: Option<Vec<String>>| value.map(|mut value| value.pop().unwrap_or_default());
            self.cells.row.push(index);
            self.cells.field.push(field);
            self.cells.predicted.push(value(cell.predicted));
            self.cells.accepted.push(value(cell.accepted));
        }
        Ok(())
    }
}

/// The file name without its folders, which may be separated by slashes or backslashes.
fn base_name(file_name: &str) -> Option<String> {
    Path::new(&file_name.replace('\\', "/")).file_name()?.to_str().map(str::to_owned)
}
