//! Dataset snapshots as readers of the API see them: reading. How they are built and recorded is in the crate `dataset`.

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
    /// Its id.
    pub id: DatasetId,
    /// Equal keys mean equal snapshots.
    pub key: String,
    /// Fields, documents and position it was built from.
    #[schema(value_type = Object)]
    pub selection: Value,
    /// Version of the builder.
    pub builder_version: i32,
    /// The last position that matters to it.
    pub position: i64,
    /// SHA-256 over its canonical rows, hex.
    pub canonical_hash: String,
    /// Examples in all splits together.
    pub examples: i64,
    /// Examples per split and label; what was left out and why.
    #[schema(value_type = Object)]
    pub counts: Value,
    /// Where its files lie in the bucket.
    pub object_prefix: String,
    /// Its files: `[{"path","bytes","sha256"}]`.
    #[schema(value_type = Vec<Object>)]
    pub files: Value,
    /// When it was built.
    pub created_at: DateTime<Utc>,
    /// When its files were given up because a document in it was erased; null as long as it has them.
    pub erased_at: Option<DateTime<Utc>>,
}

/// A snapshot; `None` when there is no such one.
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

/// Makes sure that a snapshot still has its content, and that nobody erases it until the transaction ends.
///
/// # Errors
/// [`RunsError::DatasetErased`].
pub(crate) async fn hold_dataset(conn: &mut PgConnection, id: DatasetId) -> Result<(), RunsError> {
    let held = sqlx::query!(r#"SELECT 1 AS "held!" FROM datasets WHERE id = $1 AND erased_at IS NULL FOR SHARE"#, id as DatasetId)
        .fetch_optional(conn)
        .await?;
    held.map(|_| ()).ok_or(RunsError::DatasetErased(id))
}
