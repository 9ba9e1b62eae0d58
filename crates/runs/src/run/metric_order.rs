//! Lists runs in the order of one of their metrics.

use aprendiz_db::Scope;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::RunsError;
use crate::ids::RunId;
use crate::run::status::RunStatus;
use crate::run::training_run::{RunFilter, TrainingRun, select};
use aprendiz_run_spec::RunKind;

/// Runs read from the index by one statement, to find those that match a filter.
const WINDOW: i64 = 1_000;

/// A final metric of runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricOrder {
    /// Field; `None` = over all fields.
    pub field: Option<String>,
    /// Name of the metric.
    pub name: String,
    /// Split: `test`, `validation`, `train` or `reviewed`.
    pub split: String,
    /// Whether the smallest value comes first.
    pub ascending: bool,
}

/// A run with the value that it is sorted by.
#[derive(Debug, Clone)]
pub struct RankedRun {
    /// The run.
    pub run: TrainingRun,
    /// The value; `None` if the run does not have the metric.
    pub value: Option<f64>,
}

/// The last run of a page.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MetricCursor {
    /// Its value; `None` among the runs without the metric.
    pub value: Option<f64>,
    /// Its id.
    pub id: Uuid,
}

impl RankedRun {
    /// The cursor that continues after this run.
    #[must_use]
    pub const fn cursor(&self) -> MetricCursor {
        MetricCursor { value: self.value, id: self.run.id.0 }
    }
}

/// Lists at most `limit` runs of a scope that match the filter, by the value of the metric, then newest first. Runs without the metric come
/// last, in either direction. `filter.after` is not used.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list_runs_by_metric(
    conn: &mut PgConnection,
    scope: &Scope,
    filter: &RunFilter,
    order: &MetricOrder,
    after: Option<MetricCursor>,
    limit: usize,
) -> Result<Vec<RankedRun>, RunsError> {
    let mut found = Vec::new();
    let mut cursor = after;
    while cursor.is_none_or(|cursor| cursor.value.is_some()) && found.len() < limit {
        let ranked = next_values(conn, order, cursor).await?;
        let is_last = ranked.len() < usize::try_from(WINDOW).unwrap_or(usize::MAX);
        cursor = ranked.last().copied();
        let ids: Vec<Uuid> = ranked.iter().map(|ranked| ranked.id).collect();
        let mut runs = select(conn, scope, Some(&ids), filter, WINDOW).await?;
        for MetricCursor { value, id } in ranked {
            if let Some(index) = runs.iter().position(|run| run.id.0 == id) {
                found.push(RankedRun { run: runs.swap_remove(index), value });
            }
        }
        if is_last {
            break;
        }
    }
    if found.len() < limit {
        let rest = i64::try_from(limit - found.len()).unwrap_or(i64::MAX);
        let after = after.filter(|cursor| cursor.value.is_none()).map(|cursor| cursor.id);
        let ids = without_metric(conn, scope, filter, order, after, rest).await?;
        let runs = select(conn, scope, Some(&ids), &RunFilter::default(), rest).await?;
        let mut runs: Vec<RankedRun> = runs.into_iter().map(|run| RankedRun { run, value: None }).collect();
        runs.sort_by_key(|ranked| std::cmp::Reverse(ranked.run.id));
        found.extend(runs);
    }
    found.truncate(limit);
    Ok(found)
}

/// The next runs in the order of the index.
async fn next_values(conn: &mut PgConnection, order: &MetricOrder, after: Option<MetricCursor>) -> Result<Vec<MetricCursor>, RunsError> {
    let field = order.field.as_deref().unwrap_or_default();
    let value = after.and_then(|cursor| cursor.value);
    let id = after.map_or_else(Uuid::nil, |cursor| cursor.id);
    let rows: Vec<(f64, Uuid)> = if order.ascending {
        // equal values stay newest first, so the index gives whole values and the ids are sorted within them
        let rows = sqlx::query!(
            r#"
            SELECT value AS "value!", run_id FROM metrics
            WHERE split = $1 AND name = $2 AND coalesce(field, '') = $3 AND step = 0 AND value IS NOT NULL
                AND value >= coalesce($4, '-infinity'::float8) AND (value > coalesce($4, '-infinity'::float8) OR $4 IS NULL OR run_id < $5)
            ORDER BY value, run_id DESC
            LIMIT $6
            "#,
            order.split,
            order.name,
            field,
            value,
            id,
            WINDOW
        );
        rows.fetch_all(conn).await?.into_iter().map(|row| (row.value, row.run_id)).collect()
    } else {
        let rows = sqlx::query!(
            r#"
            SELECT value AS "value!", run_id FROM metrics
            WHERE split = $1 AND name = $2 AND coalesce(field, '') = $3 AND step = 0 AND value IS NOT NULL
                AND value <= coalesce($4, 'infinity'::float8) AND (value < coalesce($4, 'infinity'::float8) OR $4 IS NULL OR run_id < $5)
            ORDER BY value DESC, run_id DESC
            LIMIT $6
            "#,
            order.split,
            order.name,
            field,
            value,
            id,
            WINDOW
        );
        rows.fetch_all(conn).await?.into_iter().map(|row| (row.value, row.run_id)).collect()
    };
    Ok(rows.into_iter().map(|(value, id)| MetricCursor { value: Some(value), id }).collect())
}

/// Ids of matching runs without the metric, newest first.
async fn without_metric(
    conn: &mut PgConnection,
    scope: &Scope,
    filter: &RunFilter,
    order: &MetricOrder,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Uuid>, RunsError> {
    let tags = (!filter.tags.is_empty()).then(|| serde_json::json!(filter.tags));
    let ids = sqlx::query_scalar!(
        r#"
        SELECT r.id
        FROM training_runs r
        WHERE ($1::run_status IS NULL OR r.status = $1)
            AND ($2::run_kind IS NULL OR r.kind = $2)
            AND ($3::text IS NULL OR r.model = $3)
            AND ($4::uuid IS NULL OR r.parent_run_id = $4)
            AND ($5::jsonb IS NULL OR r.tags @> $5)
            AND ($6::uuid IS NULL OR r.id < $6)
            AND (NOT $11 OR NOT EXISTS (SELECT FROM sweep_children c WHERE c.run_id = r.id AND c.role = 'trial'))
            AND ($12::text[] IS NULL OR run_in_scope(r.spec, $12))
            AND NOT EXISTS (
                SELECT FROM metrics m
                WHERE m.run_id = r.id AND m.split = $7 AND m.name = $8 AND coalesce(m.field, '') = $9 AND m.step = 0 AND m.value IS NOT NULL
            )
        ORDER BY r.id DESC
        LIMIT $10
        "#,
        filter.status as Option<RunStatus>,
        filter.kind as Option<RunKind>,
        filter.model.as_deref(),
        filter.parent as Option<RunId>,
        tags,
        after,
        order.split,
        order.name,
        order.field.as_deref().unwrap_or_default(),
        limit,
        filter.hide_trials,
        scope.projects()
    )
    .fetch_all(conn)
    .await?;
    Ok(ids)
}
