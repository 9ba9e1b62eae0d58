//! The importer: joins the reading thread with the writing transaction.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::Utc;
use sqlx::{Connection, PgConnection};
use tokio::sync::mpsc;
use tracing::info;
use uuid::Uuid;

use crate::import::error::ImportError;
use crate::import::options::ImportOptions;
use crate::import::report::{ImportReport, Progress, Stage};
use crate::import::settle::{Arrival, settle};
use crate::import::tasks::read_tasks;
use crate::import::{batch, staging};
use crate::normalized_values::normalizers;

/// Source of what this importer takes in.
pub const SOURCE: &str = "label-studio";

/// Batches under way between the reading thread and the database; each is some 4 MiB.
const BATCHES_UNDER_WAY: usize = 2;

/// Imports a Label Studio JSON export, plain or gzip, from a blocking reader; an asynchronous body goes through a bridge
/// such as `tokio_util::io::SyncIoBridge`.
///
/// Runs in a transaction of its own (a savepoint when `conn` is in one already, which then must be committed).
/// The lock that orders positions is taken only once the whole file has been read, so a slow upload blocks nobody.
/// Two imports into one project wait for each other at that point.
/// `on_progress` is called after each batch, at most every few megabytes.
/// A dropped future rolls back; the reading thread then ends at its next batch.
///
/// # Errors
/// When the file is not a good export as a whole (single bad tasks are quarantined), cannot be read, or Postgres does not answer.
/// Nothing is left behind then.
pub async fn label_studio<R>(
    conn: &mut PgConnection,
    input: R,
    options: &ImportOptions,
    mut on_progress: impl FnMut(Progress) + Send,
) -> Result<ImportReport, ImportError>
where
    R: Read + Send + 'static,
{
    // types end here, so that the parser is compiled once, in this crate, and with its optimisation
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
    let options = &ImportOptions { normalizers: Arc::new(normalizers(&mut transaction).await?), ..options.clone() };
    staging::create(&mut transaction).await?;

    let bytes_read = Arc::new(AtomicU64::new(0));
    let (sender, mut batches) = mpsc::channel::<batch::Batch>(BATCHES_UNDER_WAY);
    let reading = tokio::task::spawn_blocking({
        let (options, bytes_read) = (options.clone(), Arc::clone(&bytes_read));
        move || read_tasks(input, &options, bytes_read, &mut |batch| sender.blocking_send(batch).is_ok())
    });
    let mut tasks = 0;
    while let Some(batch) = batches.recv().await {
        staging::insert(&mut transaction, &batch).await?;
        tasks = batch.tasks_read;
        on_progress(Progress { stage: Stage::Reading, bytes_read: bytes_read.load(Ordering::Relaxed), tasks });
    }
    let bytes = || bytes_read.load(Ordering::Relaxed);
    // a panic of the reader or of the parser: the file was not read to its end, so nothing may be stored
    let outcome = reading.await.map_err(|lost| ImportError::Read { bytes_read: bytes(), source: io::Error::other(lost) })??;

    on_progress(Progress { stage: Stage::Storing, bytes_read: bytes(), tasks: tasks.max(outcome.tasks) });
    let arrival = Arrival { import_id, started_at, bytes: bytes(), outcome };
    let report = settle(&mut transaction, options, arrival).await?;
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
