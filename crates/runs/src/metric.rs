//! Numbers of a run.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::attempt::AttemptKey;
use crate::error::RunsError;
use crate::ids::{ModelVersionId, RunId};

/// A number to be recorded.
#[derive(Debug, Clone)]
pub struct NewMetric {
    /// `train`, `validation`, `test`, or `reviewed` for stored predictions.
    pub split: &'static str,
    /// The field; `None` = over all fields.
    pub field: Option<String>,
    /// Name as scikit-learn has it.
    pub name: String,
    /// The number; `None` = undefined, for example accuracy over nothing.
    pub value: Option<f64>,
    /// Structured part: confusion, per-class report, curve.
    pub details: Option<Value>,
}

/// A recorded number.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Metric {
    /// Attempt that measured it.
    pub attempt_number: i32,
    /// Split it was measured on.
    pub split: String,
    /// The field; null = over all fields.
    pub field: Option<String>,
    /// Its name.
    pub name: String,
    /// Its value; null = undefined.
    pub value: Option<f64>,
    /// Step of training, 0 for a final number.
    pub step: i64,
    /// Structured part.
    #[schema(value_type = Option<Object>)]
    pub details: Option<Value>,
    /// When.
    pub recorded_at: DateTime<Utc>,
}

/// Metrics of a run, by field and name.
///
/// # Errors
/// When Postgres does not answer.
pub async fn metrics_of(conn: &mut PgConnection, run_id: RunId) -> Result<Vec<Metric>, RunsError> {
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

/// Inserts metrics inside the transaction that ends the run; the caller holds the fence.
pub(crate) async fn insert_metrics(
    conn: &mut PgConnection,
    key: AttemptKey,
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
        "#,
        key.run_id as RunId,
        key.number,
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
