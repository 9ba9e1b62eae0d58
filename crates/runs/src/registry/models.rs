//! Models: names under which versions are published.

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
    /// Number of its latest version.
    pub newest_version: i32,
    /// When the latest version was published.
    pub published_at: DateTime<Utc>,
}

/// Lists models that have a version, by name.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list_models(conn: &mut PgConnection) -> Result<Vec<ModelSummary>, RunsError> {
    let models = sqlx::query_as!(
        ModelSummary,
        r#"
        SELECT m.name, v.number AS newest_version, v.created_at AS published_at
        FROM models m
        JOIN model_versions v ON v.model = m.name AND v.number = m.last_number
        ORDER BY m.name
        "#
    )
    .fetch_all(conn)
    .await?;
    Ok(models)
}
