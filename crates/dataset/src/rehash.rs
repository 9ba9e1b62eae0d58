//! A snapshot read again, without writing anything.

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::watch;

use crate::error::DatasetError;
use crate::key::extent;
use crate::read;
use crate::selection::Selection;
use crate::write::pass;

/// What the database says today about a selection as of its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rehashed {
    /// SHA-256 over the canonical rows, lower-case hex.
    pub canonical_hash: String,
    /// The last position that matters to it.
    pub effective_position: i64,
    /// Examples in all splits together.
    pub examples: u64,
}

/// Reads the selection anew, from the events, and hashes it: whatever was edited since, the result is that of the build.
///
/// Dropping the future closes its connections.
pub async fn rehash(database: &PgConnectOptions, selection: &Selection) -> Result<Rehashed, DatasetError> {
    let mut conn = database.connect().await?;
    let effective_position = extent(&mut conn, selection).await?.position;
    let (readers, examples) = read::start(conn, database, selection).await?;
    let wanted = selection.clone();
    let hashing = tokio::task::spawn_blocking(move || pass(examples, &wanted, &watch::Sender::new(0), |_| Ok(())));
    let (canonical_hash, tally) = hashing.await.map_err(DatasetError::of_thread)??;
    readers.finish().await;
    Ok(Rehashed { canonical_hash, effective_position, examples: tally.examples.total().unsigned_abs() })
}
