//! Lanes: the waiting runs of one queue with the same requirements. A worker can claim from some lanes and not from others, so a claim
//! never reads past the runs of a lane that it cannot use, however many wait there.

use aprendiz_run_spec::{RunKind, WorkerLabels, meets_all};
use sqlx::PgConnection;

use crate::error::RunsError;
use crate::ids::WorkerId;

/// The runs of one queue with the same requirements.
#[derive(Debug)]
pub(crate) struct Lane {
    /// Name of the queue.
    pub(crate) queue: String,
    /// What a worker must have.
    pub(crate) requires: Vec<String>,
    /// Whether its queue limits the number of running runs.
    pub(crate) is_limited: bool,
}

/// Lists the lanes from which a worker can claim a run now, the best first: that of the queue with the fewest running runs per weight, then
/// that with the best run. Lanes of full queues are left out.
///
/// Nothing is locked, so another worker may be faster: a claim then goes on with the next lane.
pub(crate) async fn list_lanes(conn: &mut PgConnection, worker: WorkerId, kinds: &[RunKind]) -> Result<Vec<Lane>, RunsError> {
    // the lanes are found by one look into the index per lane; runs are counted only if a limit or a second queue needs it
    let rows = sqlx::query!(
        r#"
        WITH RECURSIVE lanes AS (
            (
                SELECT queue, requires FROM training_runs
                WHERE status IN ('queued', 'retrying')
                ORDER BY queue, requires
                LIMIT 1
            )
            UNION ALL
            SELECT next.queue, next.requires
            FROM lanes l
            CROSS JOIN LATERAL (
                SELECT r.queue, r.requires FROM training_runs r
                WHERE r.status IN ('queued', 'retrying') AND (r.queue, r.requires) > (l.queue, l.requires)
                ORDER BY r.queue, r.requires
                LIMIT 1
            ) AS next
        ), running AS MATERIALIZED (
            SELECT queue, model, count(*) AS runs
            FROM training_runs
            WHERE status IN ('running', 'cancelling')
                AND (SELECT count(*) > 1 OR bool_or(max_running IS NOT NULL OR max_running_per_model IS NOT NULL) FROM queues)
            GROUP BY queue, model
        )
        SELECT l.queue AS "queue!", l.requires AS "requires!",
            (q.max_running IS NOT NULL OR q.max_running_per_model IS NOT NULL) AS "is_limited!",
            (SELECT w.labels FROM workers w WHERE w.id = $2) AS "labels!"
        FROM lanes l
        JOIN queues q ON q.name = l.queue
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(r.runs), 0)::float8 AS runs,
                coalesce(array_agg(r.model) FILTER (WHERE r.runs >= q.max_running_per_model), '{}') AS full_models
            FROM running r
            WHERE r.queue = q.name
        ) AS u
        CROSS JOIN LATERAL (
            SELECT r.priority, r.created_at, r.id
            FROM training_runs r
            WHERE r.queue = l.queue AND r.requires = l.requires AND r.status IN ('queued', 'retrying')
                AND r.run_after <= statement_timestamp()
                AND r.kind = ANY($1)
                AND r.model <> ALL (u.full_models)
            ORDER BY r.priority DESC, r.created_at, r.id
            LIMIT 1
        ) AS best
        WHERE (q.max_running IS NULL OR u.runs < q.max_running) AND (q.max_running_per_model IS NULL OR q.max_running_per_model > 0)
        ORDER BY u.runs / q.weight, best.priority DESC, best.created_at, best.id
        "#,
        kinds as &[RunKind],
        worker as WorkerId
    )
    .fetch_all(conn)
    .await?;
    let lanes = rows.into_iter().filter(|row| meets_all(&WorkerLabels::from_stored(&row.labels), &row.requires));
    Ok(lanes.map(|row| Lane { queue: row.queue, requires: row.requires, is_limited: row.is_limited }).collect())
}
