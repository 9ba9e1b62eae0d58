//! The row of a snapshot in `datasets`, as far as inspection needs it.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::inspect::error::InspectError;
use crate::selection::Selection;

/// A recorded snapshot.
#[derive(Clone, Debug)]
pub struct SnapshotRecord {
    /// Id of the snapshot.
    pub id: Uuid,
    /// Selection it was built from; `selection.position` is the requested position.
    pub selection: Selection,
    /// Version of the builder.
    pub builder_version: i32,
    /// Effective position.
    pub position: i64,
    /// SHA-256 of its canonical rows.
    pub canonical_hash: String,
    /// Examples in all splits.
    pub examples: i64,
    /// Counts by split, field and label.
    pub counts: serde_json::Value,
    /// When the snapshot was recorded.
    pub created_at: DateTime<Utc>,
    /// When its content was erased, because one of its documents was erased.
    pub erased_at: Option<DateTime<Utc>>,
}

struct Row {
    selection: serde_json::Value,
    builder_version: i32,
    position: i64,
    canonical_hash: String,
    examples: i64,
    counts: serde_json::Value,
    created_at: DateTime<Utc>,
    erased_at: Option<DateTime<Utc>>,
}

/// Returns the snapshot with this id.
///
/// # Errors
/// [`InspectError::UnknownDataset`].
pub async fn load_snapshot(conn: &mut PgConnection, id: Uuid) -> Result<SnapshotRecord, InspectError> {
    let row = sqlx::query_as!(
        Row,
        r#"
        SELECT selection, builder_version, position, canonical_hash, examples, counts, created_at, erased_at
        FROM datasets
        WHERE id = $1
        "#,
        id
    )
    .fetch_optional(conn)
    .await?
    .ok_or(InspectError::UnknownDataset(id))?;
    let selection = serde_json::from_value(row.selection).map_err(|source| InspectError::BrokenRow { column: "selection", id, source })?;
    Ok(SnapshotRecord {
        id,
        selection,
        builder_version: row.builder_version,
        position: row.position,
        canonical_hash: row.canonical_hash,
        examples: row.examples,
        counts: row.counts,
        created_at: row.created_at,
        erased_at: row.erased_at,
    })
}

impl SnapshotRecord {
    /// Returns the record, unless the content of the snapshot was erased.
    ///
    /// # Errors
    /// [`InspectError::Erased`].
    pub fn with_content(self) -> Result<Self, InspectError> {
        match self.erased_at {
            Some(at) => Err(InspectError::Erased { id: self.id, at }),
            None => Ok(self),
        }
    }
}
