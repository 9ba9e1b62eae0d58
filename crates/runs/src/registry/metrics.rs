//! Metrics of runs.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::error::RunsError;
use crate::ids::{ModelVersionId, RunId};
use crate::run::attempt::AttemptId;

/// A metric to be recorded.
#[derive(Debug, Clone)]
pub struct NewMetric {
    /// `train`, `validation`, `test`, or `reviewed` for stored predictions.
    pub split: &'static str,
    /// Field; `None` = over all fields.
    pub field: Option<String>,
    /// Name, as in scikit-learn.
    pub name: String,
    /// Value; `None` = undefined, for example the accuracy over no examples.
    pub value: Option<f64>,
    /// Structured details: confusion matrix, per-class report, curve.
    pub details: Option<Value>,
}

/// A recorded metric.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Metric {
    /// Number of the attempt that measured it.
    pub attempt_number: i32,
    /// Split on which it was measured.
    pub split: String,
    /// Field; null = over all fields.
    pub field: Option<String>,
    /// Name of the metric.
    pub name: String,
    /// Value; null = undefined.
    pub value: Option<f64>,
    /// Training step; 0 for a final metric.
    pub step: i64,
    /// Structured details.
    #[schema(value_type = Option<Object>)]
    pub details: Option<Value>,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
}

/// Lists the metrics of a run, by field and split.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list_metrics(conn: &mut PgConnection, run_id: RunId) -> Result<Vec<Metric>, RunsError> {
    let metrics = sqlx::query_as!(
        Metric,
        r#"
        SELECT attempt_number, split, field, name, value, step, details, recorded_at
        FROM metrics
        WHERE run_id = $1
        ORDER BY field NULLS FIRST, split, id
        "#,
        run_id as RunId
    )
    .fetch_all(conn)
    .await?;
    Ok(metrics)
}

/// Inserts metrics inside the transaction that completes the run. The caller holds the lock of the attempt.
///
/// Slices of metadata of stored predictions are left out if a document was erased meanwhile. Of a model they need no check: its snapshot is
/// invalid then.
pub(crate) async fn insert_metrics(
    conn: &mut PgConnection,
    attempt: AttemptId,
    version: Option<ModelVersionId>,
    metrics: &[NewMetric],
) -> Result<(), RunsError> {
    let splits: Vec<String> = metrics.iter().map(|metric| metric.split.to_owned()).collect();
    let fields: Vec<Option<String>> = metrics.iter().map(|metric| metric.field.clone()).collect();
    let names: Vec<String> = metrics.iter().map(|metric| metric.name.clone()).collect();
    let values: Vec<Option<f64>> = metrics.iter().map(|metric| metric.value).collect();
    let details: Vec<Option<Value>> = metrics.iter().map(|metric| metric.details.clone()).collect();
    sqlx::query!(
        r#"
        INSERT INTO metrics (run_id, attempt_number, model_version_id, split, field, name, value, details)
        SELECT $1, $2, $3, split, field, name, value, details
        FROM unnest($4::text[], $5::text[], $6::text[], $7::float8[], $8::jsonb[]) AS m (split, field, name, value, details)
        -- an erasure deletes slices of metadata, and cannot see those of a running attempt; it may take a while to commit
        WHERE name NOT IN ('slices', 'worst_slices') OR NOT EXISTS (
            SELECT FROM training_runs r
            JOIN attempts a ON a.run_id = r.id AND a.number = $2
            JOIN erasures x ON x.erased_at > a.started_at - interval '5 minutes'
            WHERE r.id = $1 AND r.kind = 'evaluate' AND jsonb_exists(r.spec, 'slices')
        )
        "#,
        attempt.run_id as RunId,
        attempt.number,
        version as Option<ModelVersionId>,
        &splits,
        &fields as &[Option<String>],
        &names,
        &values as &[Option<f64>],
        &details as &[Option<Value>]
    )
    .execute(conn)
    .await?;
    Ok(())
}
