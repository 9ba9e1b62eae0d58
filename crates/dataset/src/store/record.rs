//! Records a built snapshot in `datasets`.

use aprendiz_annotations::erasure::erased_since;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::build::Snapshot;
use crate::error::DatasetError;
use crate::selection::{BUILDER_VERSION, Selection, snapshot_key};
use crate::store::dataset::{Dataset, find_by_key};

/// A built and uploaded snapshot to record.
#[derive(Clone, Copy, Debug)]
pub struct NewDataset<'a> {
    pub id: Uuid,
    pub selection: &'a Selection,
    pub snapshot: &'a Snapshot,
    /// Key prefix of its files in the object store.
    pub object_prefix: &'a str,
}

/// Records a snapshot and returns its row. If another builder recorded the same key first, its row wins and is returned.
///
/// Must run at READ COMMITTED: a stricter isolation level would not see the row of the other builder. Later erasures wait for the end of
/// the transaction and then find the row.
///
/// # Errors
/// [`DatasetError::Erased`] if a document of the selection was erased since the watermark was computed; [`DatasetError::NotRecorded`] if a
/// snapshot with this key exists that must not be used.
pub async fn record(conn: &mut PgConnection, new: NewDataset<'_>) -> Result<Dataset, DatasetError> {
    let NewDataset { id, selection, snapshot, object_prefix } = new;
    refuse_erased(conn, selection, snapshot).await?;
    let key = snapshot_key(selection, snapshot.watermark);
    sqlx::query!(
        r#"
        INSERT INTO datasets (id, key, selection, builder_version, position, canonical_hash, examples, counts, object_prefix, files)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        ON CONFLICT (key) DO NOTHING
        "#,
        id,
        key,
        Json(selection) as _,
        BUILDER_VERSION,
        snapshot.watermark.position,
        snapshot.canonical_hash,
        i64::try_from(snapshot.examples).expect("fewer than 2^63 examples"),
        snapshot.counts,
        object_prefix,
        Json(&snapshot.files) as _,
    )
    .execute(&mut *conn)
    .await?;
    find_by_key(conn, &key).await?.ok_or(DatasetError::NotRecorded { key })
}

/// Fails if a document of the selection was erased since the watermark of the snapshot, and blocks erasures until the transaction ends.
pub(super) async fn refuse_erased(conn: &mut PgConnection, selection: &Selection, snapshot: &Snapshot) -> Result<(), DatasetError> {
    let erased = erased_since(
        conn,
        snapshot.watermark.erasures,
        selection.documents.as_deref(),
        selection.source.as_deref(),
        selection.project.as_deref(),
    )
    .await?;
    if erased.is_empty() {
        return Ok(());
    }
    let documents = erased.iter().map(Uuid::to_string).collect::<Vec<_>>().join(", ");
    Err(DatasetError::Erased { documents })
}
