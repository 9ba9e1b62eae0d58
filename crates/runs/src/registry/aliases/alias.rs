//! The current version of an alias.

use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::error::RunsError;

/// An alias of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Alias {
    /// Name of the model.
    pub model: String,
    /// Name of the alias, for example `champion`.
    pub alias: String,
    /// Number of the version that it names.
    pub number: i32,
    /// Increases with every change of the alias; its ETag.
    pub revision: i64,
}

/// Finds an alias; `None` if it names no version.
///
/// # Errors
/// When Postgres does not answer.
pub async fn find_alias(conn: &mut PgConnection, model: &str, alias: &str) -> Result<Option<Alias>, RunsError> {
    let found =
        sqlx::query_as!(Alias, "SELECT model, alias, number, revision FROM model_aliases WHERE model = $1 AND alias = $2", model, alias)
            .fetch_optional(conn)
            .await?;
    Ok(found)
}

/// Lists the aliases of a model, by name.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list_aliases(conn: &mut PgConnection, model: &str) -> Result<Vec<Alias>, RunsError> {
    let aliases = sqlx::query_as!(Alias, "SELECT model, alias, number, revision FROM model_aliases WHERE model = $1 ORDER BY alias", model)
        .fetch_all(conn)
        .await?;
    Ok(aliases)
}
