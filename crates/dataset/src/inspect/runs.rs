//! Runs that read a snapshot.

use aprendiz_db::Scope;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::inspect::error::InspectError;

/// A run that read a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DatasetRun {
    /// Id of the run.
    pub id: Uuid,
    /// Kind of the run.
    pub kind: String,
    /// Name of the model.
    pub model: String,
    /// Status of the run.
    pub status: String,
    /// Who created the run.
    pub created_by: String,
    /// When the run was created.
    pub created_at: DateTime<Utc>,
}

/// Returns the runs of a scope that read the snapshots, each with the snapshot id, oldest first.
pub(super) async fn load_runs(conn: &mut PgConnection, scope: &Scope, datasets: &[Uuid]) -> Result<Vec<(Uuid, DatasetRun)>, InspectError> {
    let rows = sqlx::query!(
        r#"
        SELECT dataset_id AS "dataset_id!", id, kind::text AS "kind!", model, status::text AS "status!", created_by, created_at
        FROM training_runs
        WHERE dataset_id = ANY($1) AND ($2::text[] IS NULL OR run_in_scope(spec, $2))
        ORDER BY created_at, id
        "#,
        datasets,
        scope.projects()
    )
    .fetch_all(conn)
    .await?;
    let run = rows.into_iter().map(|row| {
        let run = DatasetRun {
            id: row.id,
            kind: row.kind,
            model: row.model,
            status: row.status,
            created_by: row.created_by,
            created_at: row.created_at,
        };
        (row.dataset_id, run)
    });
    Ok(run.collect())
}
