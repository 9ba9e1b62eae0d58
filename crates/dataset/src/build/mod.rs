//! Builds a snapshot: reads a selection, checks it for leakage, and writes a directory of files.

mod canonical_hash;
mod card;
mod describe;
mod files;
mod leakage;
mod manifest;
mod pairs;
mod rehash;
mod snapshot;
mod stream;
mod writer;

use std::path::Path;

use aprendiz_db::Session;
use sqlx::PgConnection;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::build::describe::describe_snapshot;
pub(crate) use crate::build::files::compressed_properties;
pub use crate::build::files::{FileEntry, Format};
use crate::build::leakage::check_leakage;
pub use crate::build::rehash::{RehashResult, rehash};
pub use crate::build::snapshot::Snapshot;
use crate::build::writer::write_examples;
use crate::error::DatasetError;
use crate::labels::Counts;
use crate::read;
use crate::selection::{Selection, watermark};

/// Progress of a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildProgress {
    pub documents_read: u64,
    /// Number of selected documents; not all of them become examples.
    pub documents_total: u64,
}

/// Builds a snapshot in `dir`, which is created if needed. Files of an unfinished build are overwritten.
///
/// Opens two connections for reading, and a third one that indexes texts without a sketch (normally none) and checks for leakage. The
/// connections need no shared snapshot: rows at or below the selected position are immutable. The only exception, an erasure, is checked
/// when the snapshot is recorded.
///
/// Memory holds a few hundred documents and one compressed row group per split, regardless of the number of rows.
///
/// Cancelling `cancel` or dropping the future takes effect immediately, even during a statement: the connections are closed.
///
/// # Errors
/// [`DatasetError::SplitLeak`], [`DatasetError::NoExamples`], [`DatasetError::Cancelled`], and errors of the database and of writing files.
pub async fn build(
    database: &Session,
    selection: &Selection,
    formats: &[Format],
    dir: &Path,
    progress: &mut (dyn FnMut(BuildProgress) + Send),
    cancel: &CancellationToken,
) -> Result<Snapshot, DatasetError> {
    match cancel.run_until_cancelled(build_uncancelled(database, selection, formats, dir, progress)).await {
        Some(result) => result,
        None => Err(DatasetError::Cancelled),
    }
}

async fn build_uncancelled(
    database: &Session,
    selection: &Selection,
    formats: &[Format],
    dir: &Path,
    progress: &mut (dyn FnMut(BuildProgress) + Send),
) -> Result<Snapshot, DatasetError> {
    let mut conn = database.connect().await?;
    let watermark = watermark(&mut conn, selection).await?;
    let documents_total = count_documents(&mut conn, selection).await?.unsigned_abs();
    let mut leakage_check = JoinSet::new();
    leakage_check.spawn(index_and_check_leakage(database.clone(), selection.clone()));
    let (readers, examples) = read::start_readers(conn, database, selection).await?;
    let (documents_sender, mut documents_read) = watch::channel(0);
    let writing = {
        let (dir, selection, formats) = (dir.to_owned(), selection.clone(), formats.to_vec());
        tokio::task::spawn_blocking(move || write_examples(examples, &dir, &selection, &formats, &documents_sender))
    };
    progress(BuildProgress { documents_read: 0, documents_total });
    loop {
        tokio::select! {
            Some(checked) = leakage_check.join_next() => {
                if let Err(error) = checked.map_err(DatasetError::from_join_error).flatten() {
                    // Without readers the writer thread ends. Wait for it, so that the next build in `dir` has no concurrent writer.
                    drop(readers);
                    let _ = writing.await;
                    return Err(error);
                }
            }
            changed = documents_read.changed() => match changed {
                Ok(()) => progress(BuildProgress { documents_read: *documents_read.borrow_and_update(), documents_total }),
                // the writer thread has finished
                Err(_) => break,
            },
        }
    }
    let written = writing.await.map_err(DatasetError::from_join_error)?;
    if matches!(written, Ok(_) | Err(DatasetError::Cancelled)) {
        // if the readers stopped early, their panic is the root cause
        readers.finish().await;
    }
    let written = written?;
    if let Some(checked) = leakage_check.join_next().await {
        checked.map_err(DatasetError::from_join_error)??;
    }
    if written.counts.examples.total() == 0 {
        return Err(no_examples(selection, &written.counts));
    }
    let (dir, selection, formats) = (dir.to_owned(), selection.clone(), formats.to_vec());
    let describing = tokio::task::spawn_blocking(move || describe_snapshot(&dir, &selection, &formats, watermark, written));
    describing.await.map_err(DatasetError::from_join_error)?
}

/// Fails if the splits of the selection leak into each other.
async fn index_and_check_leakage(database: Session, selection: Selection) -> Result<(), DatasetError> {
    let mut conn = database.connect().await?;
    // texts written without the importer have no sketch and would be missed
    aprendiz_annotations::near_duplicates::backfill_sketches(&mut conn).await?;
    check_leakage(&mut conn, &selection).await
}

/// Number of selected documents, including those that do not become examples.
async fn count_documents(conn: &mut PgConnection, selection: &Selection) -> Result<i64, DatasetError> {
    let documents = sqlx::query_scalar!(
        r#"
        SELECT count(*) AS "documents!"
        FROM documents d
        WHERE ($1::uuid[] IS NULL OR d.id = ANY($1))
          AND ($2::text IS NULL OR d.source = $2)
          AND ($3::text IS NULL OR d.project = $3)
        "#,
        selection.documents.as_deref(),
        selection.source,
        selection.project,
    )
    .fetch_one(conn)
    .await?;
    Ok(documents)
}

fn no_examples(selection: &Selection, counts: &Counts) -> DatasetError {
    let documents = selection.describe();
    let fields = selection.fields.join(", ");
    let position = selection.position;
    let excluded = counts.describe_excluded();
    DatasetError::NoExamples { message: format!("no accepted value for {fields} in {documents} as of position {position} ({excluded})") }
}
