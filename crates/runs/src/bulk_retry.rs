//! Runs many failed or cancelled runs again: the same statement as for one, for all that a filter finds.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{Acquire as _, PgConnection};
use utoipa::ToSchema;

use crate::error::RunsError;
use crate::ids::RunId;
use crate::run::requeue_by_hand;
use crate::status::{RunKind, RunStatus};

/// Runs that match are counted up to this number.
const COUNTED: i64 = 100_000;

/// Which runs to run again; all given conditions must hold.
#[derive(Debug, Clone)]
pub struct RetryFilter {
    /// `failed` or `cancelled`: other runs are never touched.
    pub status: RunStatus,
    /// Only this failure code.
    pub error_code: Option<String>,
    /// Only this model name.
    pub model: Option<String>,
    /// Only this kind.
    pub kind: Option<RunKind>,
    /// Only runs that ended at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Only runs that ended at this time or earlier; `None` = now.
    pub until: Option<DateTime<Utc>>,
}

/// What [`retry_runs`] did, or would do.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RetriedRuns {
    /// Runs that the filter found, those retried here among them; counted up to 100,000.
    pub matched: i64,
    /// Runs that are queued again, in the order in which they had ended; empty for a dry run.
    pub retried: Vec<RunId>,
    /// Whether the filter finds more than one request retries.
    pub more: bool,
    /// Time of this look, by the database clock. Sent as `until` with the next request, it leaves out runs that have
    /// failed again meanwhile.
    pub as_of: DateTime<Utc>,
}

/// Queues up to `limit` runs again, those that ended first before others, in one transaction. `dry_run` only counts.
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
            LIMIT $7
        ) AS found
        "#,
        filter.status as RunStatus,
        filter.error_code.as_deref(),
        filter.model.as_deref(),
        filter.kind as Option<RunKind>,
        filter.since,
        until,
        COUNTED
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
            ORDER BY finished_at, id
            LIMIT $7
            -- a run that someone else retries at this moment is theirs
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
        let requeued: HashSet<RunId> = requeue_by_hand(&mut tx, &found, actor).await?.into_iter().collect();
        retried.extend(found.into_iter().filter(|id| requeued.contains(id)));
    }
    tx.commit().await?;
    Ok(RetriedRuns { matched, retried, more: matched > limit, as_of })
}
