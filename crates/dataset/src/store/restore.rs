//! Gives a recorded snapshot new files, after its own have disappeared from the bucket.

use sqlx::PgConnection;
use sqlx::types::Json;

use crate::build::Snapshot;
use crate::error::DatasetError;
use crate::selection::snapshot_key;
use crate::store::dataset::{Dataset, find_by_key};
use crate::store::record::refuse_erased;

/// Checks that a build from the events yields the rows of a recorded snapshot.
///
/// # Errors
/// [`DatasetError::SnapshotChanged`]; [`DatasetError::Erased`] if a document was erased since the snapshot was looked up.
pub fn ensure_same(dataset: &Dataset, rebuilt: &Snapshot) -> Result<(), DatasetError> {
    // the position in the key cannot change, so a later erasure has
    if snapshot_key(&dataset.selection, rebuilt.watermark) != dataset.key {
        return Err(DatasetError::Erased { documents: format!("a document of snapshot {}", dataset.id) });
    }
    if rebuilt.canonical_hash == dataset.canonical_hash {
        return Ok(());
    }
    Err(DatasetError::SnapshotChanged { id: dataset.id, recorded: dataset.canonical_hash.clone(), rebuilt: rebuilt.canonical_hash.clone() })
}

/// Records the rebuilt and uploaded files of a snapshot, and marks the rows of its former files for deletion. Returns its current row,
/// which has other files if another builder was faster.
///
/// Must run at READ COMMITTED, like [`crate::record`].
///
/// # Errors
/// Those of [`ensure_same`].
pub async fn restore(
    conn: &mut PgConnection,
    dataset: &Dataset,
    rebuilt: &Snapshot,
    object_prefix: &str,
    object_keys: &[String],
) -> Result<Dataset, DatasetError> {
    ensure_same(dataset, rebuilt)?;
    refuse_erased(conn, &dataset.selection, rebuilt).await?;
    let restored = sqlx::query!(
        "UPDATE datasets SET object_prefix = $3, files = $4 WHERE id = $1 AND object_prefix = $2 AND erased_at IS NULL",
        dataset.id,
        dataset.object_prefix,
        object_prefix,
        Json(&rebuilt.files) as _,
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    if restored == 1 {
        sqlx::query!(
            // other objects that depend on the snapshot, such as the predictions of evaluations, stay
            "UPDATE objects SET state = 'deleting' WHERE dataset_id = $1 AND state = 'live' AND key <> ALL($2) AND starts_with(key, $3)",
            dataset.id,
            object_keys,
            format!("{}/", dataset.object_prefix)
        )
        .execute(&mut *conn)
        .await?;
    }
    let current = find_by_key(conn, &dataset.key).await?;
    current.ok_or_else(|| DatasetError::Erased { documents: format!("a document of snapshot {}", dataset.id) })
}
