//! Recomputes the canonical hash of a selection without writing files.

use aprendiz_db::Session;
use tokio::sync::watch;

use crate::build::stream::stream_examples;
use crate::error::DatasetError;
use crate::read;
use crate::selection::{Selection, watermark};

/// Content of a selection as of its position, as it is in the database now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RehashResult {
    /// SHA-256 of the canonical rows, lower-case hex.
    pub canonical_hash: String,
    /// Position of the newest row that determines the content.
    pub effective_position: i64,
    /// Examples in all splits.
    pub examples: u64,
}

/// Reads the selection from the events again and hashes it. Later edits do not change the result.
///
/// Dropping the future closes its connections.
pub async fn rehash(database: &Session, selection: &Selection) -> Result<RehashResult, DatasetError> {
    let mut conn = database.connect().await?;
    let effective_position = watermark(&mut conn, selection).await?.position;
    let (readers, examples) = read::start_readers(conn, database, selection).await?;
    let selection = selection.clone();
    let hashing = tokio::task::spawn_blocking(move || stream_examples(examples, &selection, &watch::Sender::new(0), |_| Ok(())));
    let (canonical_hash, counts) = hashing.await.map_err(DatasetError::from_join_error)??;
    readers.finish().await;
    Ok(RehashResult { canonical_hash, effective_position, examples: counts.examples.total().unsigned_abs() })
}
