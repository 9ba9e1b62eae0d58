//! Dataset snapshots, as the API shows them. The crate `dataset` builds and records them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::error::RunsError;
use crate::ids::DatasetId;

/// An immutable dataset snapshot.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DatasetRecord {
    /// Id of the snapshot.
    pub id: DatasetId,
    /// Key of the content: equal keys mean equal snapshots.
    pub key: String,
    /// Selection of fields, documents and position.
    #[schema(value_type = Object)]
    pub selection: Value,
    /// Version of the builder.
    pub builder_version: i32,
    /// Position of the latest change it contains.
    pub position: i64,
    /// SHA-256 of its canonical rows, hex.
    pub canonical_hash: String,
    /// Number of examples in all splits.
    pub examples: i64,
    /// Examples per split and label, and exclusions with their reasons.
    #[schema(value_type = Object)]
    pub counts: Value,
    /// Prefix of its files in the bucket.
    pub object_prefix: String,
    /// Its files: `[{"path","bytes","sha256"}]`.
    #[schema(value_type = Vec<Object>)]
    pub files: Value,
    /// When it was recorded.
    pub created_at: DateTime<Utc>,
    /// When its files were deleted because a document in it was erased; null while they exist.
    pub erased_at: Option<DateTime<Utc>>,
}

/// Reads a snapshot; `None` when it does not exist.
///
/// # Errors
/// When Postgres does not answer.
pub async fn get_dataset(conn: &mut PgConnection, id: DatasetId) -> Result<Option<DatasetRecord>, RunsError> {
    let dataset = sqlx::query_as!(
        DatasetRecord,
        r#"
        SELECT id AS "id: DatasetId", key, selection, builder_version, position, canonical_hash, examples, counts, object_prefix,
            files, created_at, erased_at
        FROM datasets
        WHERE id = $1
        "#,
        id as DatasetId
    )
    .fetch_optional(conn)
    .await?;
    Ok(dataset)
}

/// Locks a snapshot (`FOR SHARE`) until the transaction ends, so that its content cannot be erased meanwhile.
///
/// # Errors
/// [`RunsError::DatasetErased`].
pub(crate) async fn lock_dataset(conn: &mut PgConnection, id: DatasetId) -> Result<(), RunsError> {
    let locked = sqlx::query!(r#"SELECT 1 AS "locked!" FROM datasets WHERE id = $1 AND erased_at IS NULL FOR SHARE"#, id as DatasetId)
        .fetch_optional(conn)
        .await?;
    locked.map(|_| ()).ok_or(RunsError::DatasetErased(id))
}
