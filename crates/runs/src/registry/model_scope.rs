//! Which models are in a scope. A model is, if all its versions are: its cards, gates and comparisons relate its versions to each other.

use aprendiz_db::Scope;
use sqlx::PgConnection;

use crate::error::RunsError;

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
