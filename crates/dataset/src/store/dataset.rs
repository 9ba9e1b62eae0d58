//! Reads rows of `datasets`.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::build::FileEntry;
use crate::error::DatasetError;
use crate::selection::{ExcludedField, Selection};

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
    /// Fields that can be trained.
    pub trainable_fields: Vec<String>,
    /// Fields that are excluded from training, with the reason.
    pub left_out: Vec<ExcludedField>,
    pub object_prefix: String,
    pub files: Vec<FileEntry>,
    pub created_at: DateTime<Utc>,
}

impl Dataset {
    /// Warnings about the evidence: empty splits and large groups of near-duplicates; none for snapshots of older versions.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        Vec::deserialize(&self.counts["warnings"]).unwrap_or_default()
    }
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

/// The keys of `counts` that training needs.
#[derive(Deserialize)]
struct TrainingFields {
    trainable_fields: Vec<String>,
    left_out: Vec<ExcludedField>,
}

impl TryFrom<DatasetRow> for Dataset {
    type Error = DatasetError;

    fn try_from(row: DatasetRow) -> Result<Self, DatasetError> {
        let TrainingFields { trainable_fields, left_out } = TrainingFields::deserialize(&row.counts)
            .map_err(|source| DatasetError::BrokenRow { table: "datasets", column: "counts", id: row.id.to_string(), source })?;
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

/// Returns the snapshot with this key, unless it was never built or its content was erased.
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

/// Returns the snapshot with this id, even if its content was erased.
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
