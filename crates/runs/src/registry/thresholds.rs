//! Thresholds of a published version that were changed after its training.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::error::RunsError;
use crate::ids::ModelVersionId;

/// A change of the threshold of a field.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ThresholdEvent {
    /// Number of the change of this version, from 1. A change of several fields has one number.
    pub revision: i32,
    /// The field.
    pub field: String,
    /// Target accuracy before.
    pub from_target: f64,
    /// Threshold before; null = nothing was answered.
    pub from_threshold: Option<f64>,
    /// Target accuracy since then.
    pub target: f64,
    /// Threshold since then; null = nothing is answered.
    pub threshold: Option<f64>,
    /// Name of the API key that made the change.
    pub actor: String,
    /// When it was made.
    pub at: DateTime<Utc>,
}

/// A change of the threshold of a field, to be recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct ThresholdChange {
    /// The field.
    pub field: String,
    /// Target and threshold before.
    pub from: (f64, Option<f64>),
    /// Target and threshold from now on.
    pub to: (f64, Option<f64>),
}

/// The latest target and threshold of a field that was changed.
#[derive(Debug, Clone, PartialEq)]
pub struct LatestThreshold {
    /// The field.
    pub field: String,
    /// Target accuracy.
    pub target: f64,
    /// Threshold; `None` = nothing is answered.
    pub threshold: Option<f64>,
}

/// Lists the latest change of every changed field of a version, by name. Predictions use them, so earlier changes are not read.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list_latest_thresholds(conn: &mut PgConnection, version: ModelVersionId) -> Result<Vec<LatestThreshold>, RunsError> {
    let latest = sqlx::query_as!(
        LatestThreshold,
        r#"
        SELECT DISTINCT ON (field COLLATE "C") field, target, threshold
        FROM threshold_events
        WHERE model_version_id = $1
        ORDER BY field COLLATE "C", revision DESC
        "#,
        version as ModelVersionId
    )
    .fetch_all(conn)
    .await?;
    Ok(latest)
}

/// Lists the changes of a version, oldest first. The last one of a field is in effect.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list_threshold_events(conn: &mut PgConnection, version: ModelVersionId) -> Result<Vec<ThresholdEvent>, RunsError> {
    let events = sqlx::query_as!(
        ThresholdEvent,
        r#"
        SELECT revision, field, from_target, from_threshold, target, threshold, actor, at
        FROM threshold_events
        WHERE model_version_id = $1
        ORDER BY revision, field COLLATE "C"
        "#,
        version as ModelVersionId
    )
    .fetch_all(conn)
    .await?;
    Ok(events)
}

/// Records one change of thresholds, if `expected` is still the latest revision of the version (0 = unchanged). Returns the new revision,
/// or the latest one as the error.
///
/// # Errors
/// When Postgres does not answer.
pub async fn change_thresholds(
    conn: &mut PgConnection,
    version: ModelVersionId,
    expected: i32,
    actor: &str,
    changes: &[ThresholdChange],
) -> Result<Result<i32, i32>, RunsError> {
    // the row of the version is locked until commit, so that changes are numbered in order
    sqlx::query_scalar!("SELECT number FROM model_versions WHERE id = $1 FOR UPDATE", version as ModelVersionId)
        .fetch_one(&mut *conn)
        .await?;
    let latest = sqlx::query_scalar!(
        r#"SELECT coalesce(max(revision), 0) AS "revision!" FROM threshold_events WHERE model_version_id = $1"#,
        version as ModelVersionId
    )
    .fetch_one(&mut *conn)
    .await?;
    if latest != expected {
        return Ok(Err(latest));
    }
    let fields: Vec<String> = changes.iter().map(|change| change.field.clone()).collect();
    let from_targets: Vec<f64> = changes.iter().map(|change| change.from.0).collect();
    let from_thresholds: Vec<Option<f64>> = changes.iter().map(|change| change.from.1).collect();
    let targets: Vec<f64> = changes.iter().map(|change| change.to.0).collect();
    let thresholds: Vec<Option<f64>> = changes.iter().map(|change| change.to.1).collect();
    let inserted = sqlx::query!(
        r#"
        INSERT INTO threshold_events (model_version_id, revision, field, from_target, from_threshold, target, threshold, actor)
        SELECT $1, $2, field, from_target, from_threshold, target, threshold, $3
        FROM unnest($4::text[], $5::float8[], $6::float8[], $7::float8[], $8::float8[])
            AS c (field, from_target, from_threshold, target, threshold)
        "#,
        version as ModelVersionId,
        latest + 1,
        actor,
        &fields,
        &from_targets,
        &from_thresholds as &[Option<f64>],
        &targets,
        &thresholds as &[Option<f64>]
    )
    .execute(conn)
    .await?
    .rows_affected();
    if inserted != changes.len() as u64 {
        let what = format!("{inserted} of {} changes were recorded", changes.len());
        return Err(RunsError::BrokenRow { table: "threshold_events", id: version.to_string(), what });
    }
    Ok(Ok(latest + 1))
}
