//! How long a run takes, judged by earlier runs.

use aprendiz_run_spec::RunKind;
use sqlx::PgConnection;

use crate::error::RunsError;

/// Number of latest runs that are considered.
const MAX_RUNS: i64 = 20;

/// The median seconds of the last attempts of the latest succeeded runs of a kind, of the same model if there are any; `None` without
/// such runs. Trials of sweeps do not count; the duration of a sweep is that of all its trials.
///
/// # Errors
/// When Postgres does not answer.
pub async fn estimate_duration(conn: &mut PgConnection, kind: RunKind, model: &str) -> Result<Option<f64>, RunsError> {
    let seconds = sqlx::query_scalar!(
        r#"
        WITH ended AS (
            SELECT r.model,
                -- the attempts of a sweep are its steps, which take no time
                CASE WHEN r.kind = 'sweep' THEN extract(epoch FROM r.finished_at - r.started_at)
                    ELSE extract(epoch FROM a.finished_at - a.started_at) END::float8 AS seconds
            FROM training_runs r
            CROSS JOIN LATERAL (
                SELECT started_at, finished_at FROM attempts WHERE run_id = r.id AND finished_at IS NOT NULL ORDER BY number DESC LIMIT 1
            ) a
            WHERE r.kind = $1 AND r.status = 'succeeded' AND NOT r.dataset_only
                AND NOT EXISTS (SELECT FROM sweep_children c WHERE c.run_id = r.id AND c.role = 'trial')
            ORDER BY r.id DESC
            LIMIT $3
        )
        SELECT coalesce(
            percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) FILTER (WHERE model = $2),
            percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds)
        )
        FROM ended
        "#,
        kind as RunKind,
        model,
        MAX_RUNS
    )
    .fetch_one(conn)
    .await?;
    Ok(seconds)
}
