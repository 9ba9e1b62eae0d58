//! Dataset snapshots, as the API shows them. The crate `dataset` builds and records them.

use aprendiz_db::Scope;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::RunsError;
use crate::ids::{DatasetId, RunId};

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

/// Reads a snapshot; `None` when it does not exist in the scope.
///
/// # Errors
/// When Postgres does not answer.
pub async fn get_dataset(conn: &mut PgConnection, scope: &Scope, id: DatasetId) -> Result<Option<DatasetRecord>, RunsError> {
    let dataset = sqlx::query_as!(
        DatasetRecord,
        r#"
        SELECT id AS "id: DatasetId", key, selection, builder_version, position, canonical_hash, examples, counts, object_prefix,
            files, created_at, erased_at
        FROM datasets
        WHERE id = $1 AND ($2::text[] IS NULL OR selection ->> 'project' = ANY($2))
        "#,
        id as DatasetId,
        scope.projects()
    )
    .fetch_optional(conn)
    .await?;
    Ok(dataset)
}

/// A snapshot in a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DatasetSummary {
    /// Id of the snapshot.
    pub id: DatasetId,
    /// Key of the content: equal keys mean equal snapshots.
    pub key: String,
    /// Position of the latest change it contains.
    pub position: i64,
    /// Number of examples in all splits.
    pub examples: i64,
    /// Number of examples per split.
    #[schema(value_type = Object)]
    pub splits: Option<Value>,
    /// Fields of its selection; null = all categorical fields.
    #[schema(value_type = Option<Vec<String>>)]
    pub fields: Option<Value>,
    /// Size of its files in bytes.
    pub bytes: i64,
    /// Number of runs that use it.
    pub runs: i64,
    /// The latest of these runs, at most 10.
    pub latest_runs: Vec<RunId>,
    /// When it was recorded.
    pub created_at: DateTime<Utc>,
    /// When its files were deleted because a document in it was erased; null while they exist.
    pub erased_at: Option<DateTime<Utc>>,
}

/// Lists at most `limit` snapshots of a scope, newest first, from the newest or after an id: ids increase with time.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list_datasets(
    conn: &mut PgConnection,
    scope: &Scope,
    after: Option<DatasetId>,
    limit: i64,
) -> Result<Vec<DatasetSummary>, RunsError> {
    let datasets = sqlx::query_as!(
        DatasetSummary,
        r#"
        WITH page AS MATERIALIZED (
            SELECT * FROM datasets
            WHERE id < $1 AND ($3::text[] IS NULL OR selection ->> 'project' = ANY($3))
            ORDER BY id DESC
            LIMIT $2
        ), uses AS MATERIALIZED (
            SELECT dataset_id, count(*) AS runs, (array_agg(id ORDER BY id DESC))[1:10] AS latest
            FROM training_runs
            WHERE dataset_id IN (SELECT id FROM page) AND ($3::text[] IS NULL OR run_in_scope(spec, $3))
            GROUP BY dataset_id
        )
        SELECT p.id AS "id!: DatasetId", p.key AS "key!", p.position AS "position!", p.examples AS "examples!",
            p.counts -> 'splits' AS splits, p.selection -> 'fields' AS fields,
            coalesce((SELECT sum((f.file ->> 'bytes')::bigint) FROM jsonb_array_elements(p.files) AS f (file)), 0)::bigint AS "bytes!",
            coalesce(u.runs, 0) AS "runs!", coalesce(u.latest, '{}') AS "latest_runs!: Vec<RunId>",
            p.created_at AS "created_at!", p.erased_at
        FROM page p
        LEFT JOIN uses u ON u.dataset_id = p.id
        ORDER BY p.id DESC
        "#,
        after.map_or_else(Uuid::max, |id| id.0),
        limit,
        scope.projects()
    )
    .fetch_all(conn)
    .await?;
    Ok(datasets)
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
