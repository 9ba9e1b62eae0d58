//! Published versions of models.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::error::RunsError;
use crate::ids::{DatasetId, ModelVersionId, RunId};

/// A published version of a model.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ModelVersion {
    /// Id of the version.
    pub id: ModelVersionId,
    /// Name of the model.
    pub model: String,
    /// Number of the version, from 1.
    pub number: i32,
    /// The run that trained it.
    pub run_id: RunId,
    /// Number of the attempt that trained it.
    pub attempt_number: i32,
    /// The dataset snapshot it was trained on.
    pub dataset_id: DatasetId,
    /// Prefix of its files in the bucket.
    pub object_prefix: String,
    /// SHA-256 of its manifest, hex.
    pub manifest_sha256: String,
    /// Its files: `[{"path","bytes","sha256"}]`.
    #[schema(value_type = Vec<Object>)]
    pub files: Value,
    /// Model card: kind, fields, main metrics.
    #[schema(value_type = Object)]
    pub card: Value,
    /// Its tags: keys and values, both texts.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub tags: Value,
    /// Its note.
    pub note: Option<String>,
    /// When it was published.
    pub created_at: DateTime<Utc>,
    /// When it was retired; null while it may answer.
    pub retired_at: Option<DateTime<Utc>>,
    /// Who retired it.
    pub retired_by: Option<String>,
    /// Why.
    pub retired_reason: Option<String>,
    /// Aliases that name it now.
    pub aliases: Vec<String>,
    /// Whether the gate of an automatic promotion has not decided yet.
    pub gate_due: bool,
    /// What the gate decided under automatic promotion; null where it was not asked.
    #[schema(value_type = Option<Object>)]
    pub gate: Option<Value>,
}

/// Lists the versions of a model, newest first.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list_versions(conn: &mut PgConnection, model: &str, before: Option<i32>, limit: i64) -> Result<Vec<ModelVersion>, RunsError> {
    select(conn, Some(model), None, None, before, limit).await
}

/// Finds a version of a model; `None` as number = the latest.
///
/// # Errors
/// When Postgres does not answer.
pub async fn find_version(conn: &mut PgConnection, model: &str, number: Option<i32>) -> Result<Option<ModelVersion>, RunsError> {
    Ok(select(conn, Some(model), number, None, None, 1).await?.pop())
}

/// Finds the version that a run published; of a sweep, that of its winner.
///
/// # Errors
/// When Postgres does not answer.
pub async fn find_version_by_run(conn: &mut PgConnection, run_id: RunId) -> Result<Option<ModelVersion>, RunsError> {
    Ok(select(conn, None, None, Some(run_id), None, 1).await?.pop())
}

async fn select(
    conn: &mut PgConnection,
    model: Option<&str>,
    number: Option<i32>,
    run_id: Option<RunId>,
    before: Option<i32>,
    limit: i64,
) -> Result<Vec<ModelVersion>, RunsError> {
    let versions = sqlx::query_as!(
        ModelVersion,
        r#"
        SELECT id AS "id: ModelVersionId", model, number, run_id AS "run_id: RunId", attempt_number, dataset_id AS "dataset_id: DatasetId",
            object_prefix, manifest_sha256, files, card, tags, note, created_at, retired_at, retired_by, retired_reason, gate_due, gate,
            ARRAY(
                SELECT a.alias FROM model_aliases a WHERE a.model = model_versions.model AND a.number = model_versions.number ORDER BY a.alias
            ) AS "aliases!"
        FROM model_versions
        WHERE ($1::text IS NULL OR model = $1)
            AND ($2::int IS NULL OR number = $2)
            AND ($3::uuid IS NULL OR run_id = coalesce((SELECT c.run_id FROM sweep_children c WHERE c.sweep_id = $3 AND c.role = 'winner'), $3))
            AND ($4::int IS NULL OR number < $4)
        ORDER BY number DESC
        LIMIT $5
        "#,
        model,
        number,
        run_id as Option<RunId>,
        before,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(versions)
}
