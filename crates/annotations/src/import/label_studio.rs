//! The importer of Label Studio files: connects the reading thread with the writing transaction.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aprendiz_label_studio::ReadError;
use chrono::Utc;
use sqlx::{Connection, PgConnection};
use tokio::sync::mpsc;
use tracing::info;
use uuid::Uuid;

use crate::clock::read_clock;
use crate::fields::{load_field_names, load_normalizers};
use crate::import::error::ImportError;
use crate::import::merge::{ParsedImport, merge};
use crate::import::options::ImportOptions;
use crate::import::reader_thread;
use crate::import::report::{ImportReport, Progress, Stage};
use crate::import::staging::{self, Batch, read_batches};

/// Capacity of the channel between the reading thread and the database, in batches of about 4 MiB.
const BATCH_QUEUE_CAPACITY: usize = 2;

/// Imports a Label Studio JSON or JSON_MIN export, plain or gzip, from a blocking reader. Use a bridge such as
/// `tokio_util::io::SyncIoBridge` for an asynchronous body.
///
/// Runs in its own transaction, or in a savepoint if `conn` is in a transaction, which then must be committed.
/// The lock on positions is taken only after the whole file was read, so a slow upload does not block other writers. Imports into the same
/// project wait for each other at that point.
/// `on_progress` is called after each batch, at most every few megabytes.
/// A dropped future rolls back; the reading thread ends at its next batch.
///
/// # Errors
/// If the file as a whole is invalid or cannot be read, or Postgres is unavailable. Nothing is left behind then. Single invalid tasks are
/// quarantined instead.
pub async fn import_label_studio<R>(
    conn: &mut PgConnection,
    input: R,
    options: &ImportOptions,
    mut on_progress: impl FnMut(Progress) + Send,
) -> Result<ImportReport, ImportError>
where
    R: Read + Send + 'static,
{
    // not generic from here on, so that the code is compiled once, in this crate and with its optimization level
    import(conn, Box::new(input), options, &mut on_progress).await
}

async fn import(
    conn: &mut PgConnection,
    input: Box<dyn Read + Send>,
    options: &ImportOptions,
    on_progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<ImportReport, ImportError> {
    options.check()?;
    let started_at = Utc::now();
    let import_id = options.import_id.unwrap_or_else(Uuid::now_v7);
    let mut transaction = conn.begin().await?;
    let normalizers = load_normalizers(&mut transaction).await?;
    let field_names = load_field_names(&mut transaction).await?;
    let read_options = options.read_options(normalizers, field_names, read_clock(&mut transaction).await?);
    staging::create(&mut transaction).await?;

    let bytes_read = Arc::new(AtomicU64::new(0));
    let (sender, mut batches) = mpsc::channel::<Batch>(BATCH_QUEUE_CAPACITY);
    let reading = tokio::task::spawn_blocking({
        let (ratios, bytes_read) = (options.ratios, Arc::clone(&bytes_read));
        move || read_batches(input, &read_options, ratios, bytes_read, &mut |batch| sender.blocking_send(batch).is_ok())
    });
    let mut tasks = 0;
    while let Some(batch) = batches.recv().await {
        staging::insert(&mut transaction, &batch).await?;
        tasks = batch.tasks_read;
        on_progress(Progress { stage: Stage::Reading, bytes_read: bytes_read.load(Ordering::Relaxed), tasks });
    }
    let bytes = || bytes_read.load(Ordering::Relaxed);
    let summary = reader_thread::join(reading).await.map_err(|source| ReadError::Io { bytes_read: bytes(), source })??;

    on_progress(Progress { stage: Stage::Storing, bytes_read: bytes(), tasks: tasks.max(summary.tasks) });
    let parsed = ParsedImport { import_id, started_at, bytes: bytes(), summary };
    let report = merge(&mut transaction, options, parsed).await?;
    if options.dry_run {
        transaction.rollback().await?;
        return Ok(report);
    }
    transaction.commit().await?;
    info!(
        import.id = %report.import_id,
        import.tasks = report.tasks,
        import.events_created = report.events_created,
        import.quarantined = report.quarantined,
        "imported a Label Studio export"
    );
    Ok(report)
}
