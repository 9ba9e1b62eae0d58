//! Retry of all failed or cancelled runs that match a filter.

use std::collections::HashSet;

use aprendiz_run_spec::RunKind;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{Acquire as _, PgConnection};
use utoipa::ToSchema;

use crate::error::RunsError;
use crate::ids::RunId;
use crate::run::retry::requeue::requeue_manually;
use crate::run::status::RunStatus;

/// Upper limit of the count of matching runs.
const MAX_COUNT: i64 = 100_000;

/// Which runs to retry; all conditions must hold.
#[derive(Debug, Clone)]
pub struct RetryFilter {
    /// `failed` or `cancelled`; other runs are never changed.
    pub status: RunStatus,
    /// Only this error code.
    pub error_code: Option<String>,
    /// Only this model name.
    pub model: Option<String>,
    /// Only this kind.
    pub kind: Option<RunKind>,
    /// Only runs that ended at or after this time.
    pub since: Option<DateTime<Utc>>,
    /// Only runs that ended at or before this time; `None` = now.
    pub until: Option<DateTime<Utc>>,
}

/// Result of [`retry_runs`].
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RetriedRuns {
    /// Number of matching runs, including the retried ones; counted up to 100,000.
    pub matched: i64,
    /// Retried runs, in the order in which they had ended; empty for a dry run.
    pub retried: Vec<RunId>,
    /// Whether more runs match than one request retries.
    pub more: bool,
    /// Time of this request, by the database clock. Send it as `until` with the next request to leave out runs that have failed
    /// again meanwhile.
    pub as_of: DateTime<Utc>,
}

/// Requeues up to `limit` runs, oldest end first, in one transaction. With `dry_run` it only counts.
///
/// # Errors
/// When Postgres does not answer.
pub async fn retry_runs(
    conn: &mut PgConnection,
    filter: &RetryFilter,
    limit: i64,
    dry_run: bool,
    actor: &str,
) -> Result<RetriedRuns, RunsError> {
    let mut tx = conn.begin().await?;
    let as_of = sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#).fetch_one(&mut *tx).await?;
    let until = filter.until.unwrap_or(as_of).min(as_of);
    let matched = sqlx::query_scalar!(
        r#"
        SELECT count(*) AS "matched!"
        FROM (
            SELECT FROM training_runs
            WHERE status = $1 AND status IN ('failed', 'cancelled')
                AND ($2::text IS NULL OR error_code = $2)
                AND ($3::text IS NULL OR model = $3)
                AND ($4::run_kind IS NULL OR kind = $4)
                AND ($5::timestamptz IS NULL OR finished_at >= $5)
                AND finished_at <= $6
                AND NOT EXISTS (SELECT FROM sweep_children c WHERE c.run_id = training_runs.id)
            LIMIT $7
        ) AS found
        "#,
        filter.status as RunStatus,
        filter.error_code.as_deref(),
        filter.model.as_deref(),
        filter.kind as Option<RunKind>,
        filter.since,
        until,
        MAX_COUNT
    )
    .fetch_one(&mut *tx)
    .await?;
    let mut retried = Vec::new();
    if !dry_run {
        let found = sqlx::query_scalar!(
            r#"
            SELECT id AS "id: RunId"
            FROM training_runs
            WHERE status = $1 AND status IN ('failed', 'cancelled')
                AND ($2::text IS NULL OR error_code = $2)
                AND ($3::text IS NULL OR model = $3)
                AND ($4::run_kind IS NULL OR kind = $4)
                AND ($5::timestamptz IS NULL OR finished_at >= $5)
                AND finished_at <= $6
                -- the runs of a sweep are retried with it, once none is being cancelled
                AND NOT EXISTS (SELECT FROM sweep_children c WHERE c.run_id = training_runs.id)
                AND NOT EXISTS (
                    SELECT FROM sweep_children c JOIN training_runs t ON t.id = c.run_id
                    WHERE c.sweep_id = training_runs.id AND t.status = 'cancelling'
                )
            ORDER BY finished_at, id
            LIMIT $7
            -- a locked run is being retried by another request
            FOR UPDATE SKIP LOCKED
            "#,
            filter.status as RunStatus,
            filter.error_code.as_deref(),
            filter.model.as_deref(),
            filter.kind as Option<RunKind>,
            filter.since,
            until,
            limit
        )
        .fetch_all(&mut *tx)
        .await?;
        let requeued: HashSet<RunId> = requeue_manually(&mut tx, &found, actor).await?.into_iter().collect();
        retried.extend(found.into_iter().filter(|id| requeued.contains(id)));
    }
    tx.commit().await?;
    Ok(RetriedRuns { matched, retried, more: matched > limit, as_of })
}
