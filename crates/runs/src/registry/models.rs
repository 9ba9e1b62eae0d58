//! Models: names under which versions are published, and the scope that they are in.
//!
//! A model is in a scope if all its versions are: its cards, gates and comparisons relate its versions to each other.

use aprendiz_db::Scope;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::error::RunsError;

/// A model and its latest version.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ModelSummary {
    /// Name of the model.
    pub name: String,
    /// Its owner, or who created the run of its first version.
    pub owner: String,
    /// Number of its versions.
    pub versions: i64,
    /// Number of its latest version.
    pub newest_version: i32,
    /// When the latest version was published.
    pub published_at: DateTime<Utc>,
    /// Who created the run of the latest version.
    pub published_by: String,
}

/// Lists at most `limit` models of a scope that have a version, by name, from the start or after a name.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list_models(conn: &mut PgConnection, scope: &Scope, after: Option<&str>, limit: i64) -> Result<Vec<ModelSummary>, RunsError> {
    let models = sqlx::query_as!(
        ModelSummary,
        r#"
        SELECT m.name,
            coalesce(m.owner, (SELECT r.created_by FROM model_versions f JOIN training_runs r ON r.id = f.run_id
             WHERE f.model = m.name ORDER BY f.number LIMIT 1)) AS "owner!",
            (SELECT count(*) FROM model_versions c WHERE c.model = m.name) AS "versions!",
            v.number AS newest_version, v.created_at AS published_at, n.created_by AS published_by
        FROM models m
        JOIN model_versions v ON v.model = m.name AND v.number = m.last_number
        JOIN training_runs n ON n.id = v.run_id
        WHERE m.name > $1 AND ($3::text[] IS NULL OR model_in_scope(m.name, $3))
        ORDER BY m.name
        LIMIT $2
        "#,
        after.unwrap_or_default(),
        limit,
        scope.projects()
    )
    .fetch_all(conn)
    .await?;
    Ok(models)
}

/// Whether a model has versions, and all of them are in the scope.
///
/// # Errors
/// When Postgres does not answer.
pub async fn is_model_in_scope(conn: &mut PgConnection, scope: &Scope, name: &str) -> Result<bool, RunsError> {
    let is_in_scope = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM model_versions WHERE model = $1) AND model_in_scope($1, $2) AS "is_in_scope!""#,
        name,
        scope.projects()
    )
    .fetch_one(conn)
    .await?;
    Ok(is_in_scope)
}

/// Whether a run of the scope may publish under a name: no run out of the scope uses it, and its settings are not those of others.
///
/// # Errors
/// When Postgres does not answer.
pub async fn is_model_name_in_scope(conn: &mut PgConnection, scope: &Scope, name: &str) -> Result<bool, RunsError> {
    let is_in_scope = sqlx::query_scalar!(
        r#"
        SELECT $2::text[] IS NULL OR (
            NOT EXISTS (SELECT FROM training_runs r WHERE r.model = $1 AND NOT run_in_scope(r.spec, $2))
            AND (NOT EXISTS (SELECT FROM models WHERE name = $1) OR EXISTS (SELECT FROM training_runs r WHERE r.model = $1))
        ) AS "is_in_scope!"
        "#,
        name,
        scope.projects()
    )
    .fetch_one(conn)
    .await?;
    Ok(is_in_scope)
}
