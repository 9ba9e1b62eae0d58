//! The table `datasets`: one immutable row per snapshot, found by its key.

use annotations::erasure::erased_since;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::error::DatasetError;
use crate::key::{BUILDER_VERSION, key};
use crate::label::LeftOut;
use crate::selection::Selection;
use crate::snapshot::{FileEntry, Snapshot};

/// A recorded snapshot.
#[derive(Clone, Debug)]
pub struct Dataset {
    pub id: Uuid,
    pub key: String,
    pub selection: Selection,
    pub builder_version: i32,
    /// The effective position.
    pub position: i64,
    pub canonical_hash: String,
    pub examples: i64,
    pub counts: serde_json::Value,
    /// Fields that can be trained, as the build decided.
    pub trainable_fields: Vec<String>,
    /// Fields that cannot, each with the reason.
    pub left_out: Vec<LeftOut>,
    pub object_prefix: String,
    pub files: Vec<FileEntry>,
    pub created_at: DateTime<Utc>,
}

/// What is recorded about a built and uploaded snapshot.
#[derive(Clone, Copy, Debug)]
pub struct NewDataset<'a> {
    pub id: Uuid,
    pub selection: &'a Selection,
    pub snapshot: &'a Snapshot,
    /// Where its files lie in the object store.
    pub object_prefix: &'a str,
}

struct DatasetRow {
    id: Uuid,
    key: String,
    selection: Json<Selection>,
    builder_version: i32,
    position: i64,
    canonical_hash: String,
    examples: i64,
    counts: serde_json::Value,
    object_prefix: String,
    files: Json<Vec<FileEntry>>,
    created_at: DateTime<Utc>,
}

/// The part of the counts that a later run needs.
#[derive(Deserialize)]
struct Training {
    trainable_fields: Vec<String>,
    left_out: Vec<LeftOut>,
}

impl TryFrom<DatasetRow> for Dataset {
    type Error = DatasetError;

    fn try_from(row: DatasetRow) -> Result<Self, DatasetError> {
        let Training { trainable_fields, left_out } = Training::deserialize(&row.counts).map_err(|source| DatasetError::BrokenRow {
            table: "datasets",
            column: "counts",
            id: row.id.to_string(),
            source,
        })?;
        Ok(Self {
            id: row.id,
            key: row.key,
            selection: row.selection.0,
            builder_version: row.builder_version,
            position: row.position,
            canonical_hash: row.canonical_hash,
            examples: row.examples,
            counts: row.counts,
            trainable_fields,
            left_out,
            object_prefix: row.object_prefix,
            files: row.files.0,
            created_at: row.created_at,
        })
    }
}

/// Records a snapshot and returns the row that counts: when another builder was first, that is theirs, with their id and prefix.
///
/// Errs when a document of the selection was erased since the extent was looked at; erasures from then on wait for the end of the
/// transaction and find the row. Call it at READ COMMITTED: a stricter snapshot could not see the row of the other builder.
pub async fn record(conn: &mut PgConnection, new: NewDataset<'_>) -> Result<Dataset, DatasetError> {
    let NewDataset { id, selection, snapshot, object_prefix } = new;
    let erased = erased_since(
        conn,
        snapshot.extent.erasures,
        selection.documents.as_deref(),
        selection.source.as_deref(),
        selection.project.as_deref(),
    )
    .await?;
    if !erased.is_empty() {
        let documents = erased.iter().map(Uuid::to_string).collect::<Vec<_>>().join(", ");
        return Err(DatasetError::Erased { documents });
    }
    let key = key(selection, snapshot.extent);
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
        snapshot.extent.position,
        snapshot.canonical_hash,
        i64::try_from(snapshot.examples).expect("fewer than 2^63 examples"),
        snapshot.counts,
        object_prefix,
        Json(&snapshot.files) as _,
    )
    .execute(&mut *conn)
    .await?;
    find_by_key(conn, &key).await?.ok_or(DatasetError::Database(sqlx::Error::RowNotFound))
}

/// The snapshot with this key, if it has been built and still has its files.
pub async fn find_by_key(conn: &mut PgConnection, key: &str) -> Result<Option<Dataset>, DatasetError> {
    let row = sqlx::query_as!(
        DatasetRow,
        r#"
        SELECT id, key, selection AS "selection: Json<Selection>", builder_version, position, canonical_hash, examples,
               counts, object_prefix, files AS "files: Json<Vec<FileEntry>>", created_at
        FROM datasets
        WHERE key = $1 AND erased_at IS NULL
        "#,
        key,
    )
    .fetch_optional(conn)
    .await?;
    row.map(Dataset::try_from).transpose()
}

/// The snapshot with this id.
pub async fn get(conn: &mut PgConnection, id: Uuid) -> Result<Option<Dataset>, DatasetError> {
    let row = sqlx::query_as!(
        DatasetRow,
        r#"
        SELECT id, key, selection AS "selection: Json<Selection>", builder_version, position, canonical_hash, examples,
               counts, object_prefix, files AS "files: Json<Vec<FileEntry>>", created_at
        FROM datasets
        WHERE id = $1
        "#,
        id,
    )
    .fetch_optional(conn)
    .await?;
    row.map(Dataset::try_from).transpose()
}
