//! Published versions of models.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::error::RunsError;
use crate::ids::{DatasetId, ModelVersionId, RunId};
use crate::registry::version_life::verification::Verification;

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
    /// When its files were deleted; null while they can be downloaded.
    pub files_deleted_at: Option<DateTime<Utc>>,
    /// Who deleted them.
    pub files_deleted_by: Option<String>,
    /// Why.
    pub files_deleted_reason: Option<String>,
    /// The build of the worker that trained it: `version`, `git_revision`, and `dirty`, whether the sources had changes that were not
    /// committed (null = unknown). Null for versions published before builds were recorded.
    #[schema(value_type = Option<Object>)]
    pub build: Option<Value>,
    /// When it was last trained again to compare the files.
    pub verified_at: Option<DateTime<Utc>>,
    /// The run that did.
    pub verified_run_id: Option<RunId>,
    /// What the comparison found.
    #[schema(value_type = Option<Verification>)]
    pub verification: Option<Value>,
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
    select(conn, Some(model), None, None, before, limit, None).await
}

/// Finds a version of a model; `None` as number = the latest.
///
/// # Errors
/// When Postgres does not answer.
pub async fn find_version(conn: &mut PgConnection, model: &str, number: Option<i32>) -> Result<Option<ModelVersion>, RunsError> {
    Ok(select(conn, Some(model), number, None, None, 1, None).await?.pop())
}

/// Finds the version that a run published; of a sweep, that of its winner.
///
/// # Errors
/// When Postgres does not answer.
pub async fn find_version_by_run(conn: &mut PgConnection, run_id: RunId) -> Result<Option<ModelVersion>, RunsError> {
    Ok(select(conn, None, None, Some(run_id), None, 1, None).await?.pop())
}

/// Finds a version by its id.
///
/// # Errors
/// When Postgres does not answer.
pub async fn find_version_by_id(conn: &mut PgConnection, id: ModelVersionId) -> Result<Option<ModelVersion>, RunsError> {
    Ok(select(conn, None, None, None, None, 1, Some(id)).await?.pop())
}

async fn select(
    conn: &mut PgConnection,
    model: Option<&str>,
    number: Option<i32>,
    run_id: Option<RunId>,
    before: Option<i32>,
    limit: i64,
    id: Option<ModelVersionId>,
) -> Result<Vec<ModelVersion>, RunsError> {
    let versions = sqlx::query_as!(
        ModelVersion,
        r#"
        SELECT id AS "id: ModelVersionId", model, number, run_id AS "run_id: RunId", attempt_number, dataset_id AS "dataset_id: DatasetId",
            object_prefix, manifest_sha256, files, card, tags, note, created_at, retired_at, retired_by, retired_reason, gate_due, gate,
            files_deleted_at, files_deleted_by, files_deleted_reason, card -> 'build' AS build, verified_at,
            verified_run_id AS "verified_run_id: RunId", verification,
            ARRAY(
                SELECT a.alias FROM model_aliases a WHERE a.model = model_versions.model AND a.number = model_versions.number ORDER BY a.alias
            ) AS "aliases!"
        FROM model_versions
        WHERE ($1::text IS NULL OR model = $1)
            AND ($2::int IS NULL OR number = $2)
            AND ($3::uuid IS NULL OR run_id = coalesce((SELECT c.run_id FROM sweep_children c WHERE c.sweep_id = $3 AND c.role = 'winner'), $3))
            AND ($4::int IS NULL OR number < $4)
            AND ($6::uuid IS NULL OR id = $6)
        ORDER BY number DESC
        LIMIT $5
        "#,
        model,
        number,
        run_id as Option<RunId>,
        before,
        limit,
        id as Option<ModelVersionId>
    )
    .fetch_all(conn)
    .await?;
    Ok(versions)
}
