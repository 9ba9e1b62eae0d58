//! The main metrics of model versions, per field.

use std::collections::BTreeMap;

use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::RunsError;
use crate::ids::RunId;

/// Main metrics in order of preference: the first one that a field has is its headline.
const HEADLINES: [&str; 3] = ["accuracy", "knn_accuracy", "average_precision"];

/// Main metrics of one field on the test split.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct FieldHeadline {
    /// The field; null = over all fields.
    pub field: Option<String>,
    /// Name of the main metric: `accuracy`, or `knn_accuracy` or `average_precision` for an encoder; null if there is none.
    pub metric: Option<String>,
    /// Its value; null = undefined, for example without test examples.
    pub value: Option<f64>,
    /// Number of independent test examples.
    pub n: Option<i64>,
    /// Fraction of the test examples that is answered at the threshold.
    pub coverage: Option<f64>,
}

/// Main metrics of the version that a run published.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionHeadline {
    /// The run.
    pub run_id: RunId,
    /// Per field, by name; over all fields last.
    pub fields: Vec<FieldHeadline>,
}

/// Reads the main metrics of the versions that these runs published.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list_headlines(conn: &mut PgConnection, runs: &[RunId]) -> Result<Vec<VersionHeadline>, RunsError> {
    let ids: Vec<Uuid> = runs.iter().map(|run| run.0).collect();
    let rows = sqlx::query!(
        r#"
        SELECT run_id AS "run_id: RunId", field, name, value
        FROM metrics
        WHERE run_id = ANY($1) AND split = 'test' AND step = 0
            AND name IN ('accuracy', 'knn_accuracy', 'average_precision', 'n', 'coverage')
        ORDER BY run_id, field NULLS LAST
        "#,
        &ids
    )
    .fetch_all(conn)
    .await?;
    // without a field last, as in a table
    type FieldOfRun = (Uuid, bool, Option<String>);
    let mut found: BTreeMap<FieldOfRun, BTreeMap<String, Option<f64>>> = BTreeMap::new();
    for row in rows {
        let key = (row.run_id.0, row.field.is_none(), row.field);
        found.entry(key).or_default().insert(row.name, row.value);
    }
    let mut headlines: Vec<VersionHeadline> = runs.iter().map(|run| VersionHeadline { run_id: *run, fields: Vec::new() }).collect();
    for ((run, _, field), metrics) in found {
        let metric = HEADLINES.into_iter().find(|name| metrics.contains_key(*name));
        let value = |name: &str| metrics.get(name).copied().flatten();
        let headline = FieldHeadline {
            field,
            metric: metric.map(ToOwned::to_owned),
            value: metric.and_then(value),
            n: value("n").map(|n| n as i64),
            coverage: value("coverage"),
        };
        headlines.iter_mut().filter(|version| version.run_id.0 == run).for_each(|version| version.fields.push(headline.clone()));
    }
    Ok(headlines)
}
