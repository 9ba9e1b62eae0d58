//! The runs that a sweep has created, with their results on validation.

use std::cmp::Ordering;

use aprendiz_run_spec::SweepMetric;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::error::RunsError;
use crate::ids::RunId;
use crate::run::status::{RunStatus, SweepRole};
use crate::run::training_run::TrainingRun;

/// A run that a sweep has created.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SweepChild {
    /// The run.
    pub run_id: RunId,
    /// Whether it is a trial, or the winner, which is trained in full and published.
    pub role: SweepRole,
    /// Number of the trial, from 1; of the winner, that of the best trial.
    pub trial: i32,
    /// Rung of successive halving, from 1.
    pub rung: i32,
    /// Part of train on which it trains; null = the whole.
    pub train_fraction: Option<f64>,
    /// The parameters that the sweep varies.
    #[schema(value_type = Object)]
    pub chosen: Value,
    /// Status of the run.
    pub status: RunStatus,
    /// Value of the metric of the sweep, of a trial that succeeded.
    pub value: Option<f64>,
    /// Lower bound of its 95 % interval, if the metric has one.
    pub low: Option<f64>,
    /// Upper bound of its 95 % interval, if the metric has one.
    pub high: Option<f64>,
    /// Where it was measured: `validation`, or `train` by out-of-fold scores if validation has no example.
    pub split: Option<String>,
    /// Error code of a failure.
    pub error_code: Option<String>,
    /// Description of a failure.
    pub error_text: Option<String>,
    /// Number of the version that the winner published.
    pub model_version: Option<i32>,
    /// When it was first claimed.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

/// Lists the children of a run of kind `sweep` for people, the winner first, then the best trials. Other runs have none.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list_trials(conn: &mut PgConnection, run: &TrainingRun) -> Result<Vec<SweepChild>, RunsError> {
    // a spec that this version cannot parse still has its metric
    let metric: Option<SweepMetric> = serde_json::from_value(run.spec["params"]["metric"].clone()).ok();
    let mut children = list_sweep_children(conn, run.id, metric.map_or("", SweepMetric::as_str)).await?;
    sort_best_first(&mut children, metric.is_some_and(SweepMetric::is_loss));
    Ok(children)
}

/// Lists the children of a sweep, by rung and trial, the winner last. `metric` is the metric of the sweep.
///
/// # Errors
/// When Postgres does not answer.
pub(crate) async fn list_sweep_children(conn: &mut PgConnection, sweep: RunId, metric: &str) -> Result<Vec<SweepChild>, RunsError> {
    let children = sqlx::query_as!(
        SweepChild,
        r#"
        SELECT c.run_id AS "run_id: RunId", c.role AS "role: SweepRole", c.trial, c.rung, c.train_fraction, c.chosen,
            r.status AS "status: RunStatus", m.value AS "value?", m.low AS "low?", m.high AS "high?", m.split AS "split?",
            r.error_code, r.error_text, v.number AS "model_version?", r.started_at, r.finished_at
        FROM sweep_children c
        JOIN training_runs r ON r.id = c.run_id
        LEFT JOIN model_versions v ON v.run_id = c.run_id
        LEFT JOIN LATERAL (
            SELECT x.value, x.split, (x.details -> 'interval' ->> 'low')::float8 AS low,
                (x.details -> 'interval' ->> 'high')::float8 AS high
            FROM metrics x
            WHERE x.run_id = c.run_id AND c.role = 'trial' AND x.field IS NULL AND x.step = 0 AND x.name = $2
                AND x.split IN ('validation', 'train')
            -- validation before train
            ORDER BY x.split DESC
            LIMIT 1
        ) m ON true
        WHERE c.sweep_id = $1
        ORDER BY c.role, c.rung, c.trial
        "#,
        sweep as RunId,
        metric
    )
    .fetch_all(conn)
    .await?;
    Ok(children)
}

impl SweepChild {
    /// Whether it is a trial with a result.
    fn result(&self) -> Option<f64> {
        self.value.filter(|_| self.role == SweepRole::Trial && self.status == RunStatus::Succeeded)
    }
}

/// Trials of one rung with a result, the best first; of equal ones, the one with the smallest number.
pub(crate) fn rank(children: &[SweepChild], rung: u32, is_loss: bool) -> Vec<&SweepChild> {
    let mut ranked: Vec<&SweepChild> =
        children.iter().filter(|child| u32::try_from(child.rung) == Ok(rung) && child.result().is_some()).collect();
    ranked.sort_by(|a, b| compare_values(a.result(), b.result(), is_loss).then(a.trial.cmp(&b.trial)));
    ranked
}

/// Sorts for people: the winner, then the latest rung, in it the best first, then trials without a result.
fn sort_best_first(children: &mut [SweepChild], is_loss: bool) {
    children.sort_by(|a, b| {
        let key = |child: &SweepChild| (child.role != SweepRole::Winner, -child.rung, child.result().is_none());
        key(a).cmp(&key(b)).then_with(|| compare_values(a.result(), b.result(), is_loss)).then(a.trial.cmp(&b.trial))
    });
}

/// The better value first. Only the ranking of two values is defined.
fn compare_values(a: Option<f64>, b: Option<f64>, is_loss: bool) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) if is_loss => a.total_cmp(&b),
        (Some(a), Some(b)) => b.total_cmp(&a),
        _ => Ordering::Equal,
    }
}
