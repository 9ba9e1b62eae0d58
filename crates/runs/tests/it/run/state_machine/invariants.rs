//! Invariants of the life of a run, as one query that returns the violated ones.

use sqlx::PgConnection;

/// Each branch selects an invariant and a run that violates it.
const RULES: &str = r"
WITH a AS (
    SELECT run_id,
        count(*) AS attempts, min(number) AS first, max(number) AS last,
        count(*) FILTER (WHERE status = 'running') AS running,
        max(number) FILTER (WHERE status = 'running') AS running_number,
        count(*) FILTER (WHERE status = 'succeeded') AS succeeded,
        max(number) FILTER (WHERE status = 'succeeded') AS succeeded_number
    FROM attempts GROUP BY run_id
), e AS (
    SELECT run_id,
        count(*) AS events, min(sequence) AS first, max(sequence) AS last,
        count(*) FILTER (WHERE kind = 'end') AS ends,
        (array_agg(kind ORDER BY sequence DESC))[1] AS last_kind
    FROM run_events GROUP BY run_id
), r AS (
    SELECT t.*, status IN ('succeeded', 'failed', 'cancelled') AS is_final, status IN ('running', 'cancelling') AS is_held,
        status IN ('queued', 'retrying') AS is_waiting,
        NOT dataset_only AND kind NOT IN ('evaluate', 'predict', 'sweep')
            AND NOT EXISTS (SELECT FROM sweep_children c WHERE c.run_id = t.id AND c.role = 'trial') AS trains
    FROM training_runs t
)
SELECT 'a held run has exactly one running attempt, its newest, and no other run has one' AS rule, r.id FROM r LEFT JOIN a ON a.run_id = r.id
WHERE (is_held AND (a.running, a.running_number) IS DISTINCT FROM (1::bigint, r.attempt_number)) OR (NOT is_held AND coalesce(a.running, 0) <> 0)
UNION ALL
SELECT 'attempts are numbered from 1 without gaps', r.id FROM r LEFT JOIN a ON a.run_id = r.id
WHERE coalesce(a.attempts, 0) <> r.attempt_number OR coalesce(a.first, 1) <> 1 OR coalesce(a.last, 0) <> r.attempt_number
UNION ALL
SELECT 'exactly a succeeded run has one succeeded attempt, its newest', r.id FROM r LEFT JOIN a ON a.run_id = r.id
WHERE coalesce(a.succeeded, 0) <> (r.status = 'succeeded')::int OR (r.status = 'succeeded' AND a.succeeded_number <> r.attempt_number)
UNION ALL
SELECT 'attempts used are those since the last manual retry that were not released, at most as many as allowed', r.id FROM r
WHERE attempts_used > max_attempts
    OR attempts_used <> (SELECT count(*) FROM attempts x WHERE x.run_id = r.id AND x.number >= r.first_attempt AND x.status <> 'released')
UNION ALL
SELECT 'finished_at belongs to final runs', r.id FROM r WHERE is_final <> (finished_at IS NOT NULL)
UNION ALL
SELECT 'an error belongs to retrying and failed runs', r.id FROM r
WHERE (status IN ('retrying', 'failed')) <> (error_code IS NOT NULL) OR (error_code IS NULL) <> (error_text IS NULL)
UNION ALL
SELECT 'a request to cancel belongs to cancelling and cancelled runs', r.id FROM r
WHERE (status IN ('cancelling', 'cancelled')) <> (cancel_requested_at IS NOT NULL)
UNION ALL
SELECT 'phase and progress belong to held runs', r.id FROM r WHERE is_held <> (phase IS NOT NULL) OR (NOT is_held AND progress IS NOT NULL)
UNION ALL
SELECT 'an error belongs to failed attempts', run_id FROM attempts WHERE (status = 'failed') <> (error_code IS NOT NULL)
UNION ALL
SELECT 'a training run has its model version once it succeeded, every other run none', r.id FROM r
WHERE (SELECT count(*) FROM model_versions v WHERE v.run_id = r.id AND v.attempt_number = r.attempt_number)
    <> (trains AND status = 'succeeded')::int OR EXISTS (SELECT FROM model_versions v WHERE v.run_id = r.id AND v.attempt_number <> r.attempt_number)
UNION ALL
SELECT 'versions of a model are numbered from 1 without gaps', NULL FROM models m
WHERE last_number <> (SELECT count(*) FROM model_versions v WHERE v.model = m.name)
    OR last_number <> (SELECT coalesce(max(number), 0) FROM model_versions v WHERE v.model = m.name)
UNION ALL
SELECT 'metrics are of the attempt that succeeded', m.run_id FROM metrics m
WHERE NOT EXISTS (SELECT FROM attempts x WHERE x.run_id = m.run_id AND x.number = m.attempt_number AND x.status = 'succeeded')
UNION ALL
SELECT 'metrics of a training run name its version', m.run_id FROM metrics m JOIN r ON r.id = m.run_id
WHERE trains <> (m.model_version_id IS NOT NULL)
UNION ALL
SELECT 'events are numbered from 1 without gaps', r.id FROM r LEFT JOIN e ON e.run_id = r.id
WHERE coalesce(e.events, 0) <> r.last_event_sequence OR coalesce(e.first, 1) <> 1 OR coalesce(e.last, 0) <> r.last_event_sequence
UNION ALL
SELECT 'the last event of a final run, and of no other, is its end', r.id FROM r JOIN e ON e.run_id = r.id
WHERE is_final <> (e.last_kind = 'end')
UNION ALL
SELECT 'each ending has one end event', r.id FROM r JOIN e ON e.run_id = r.id
WHERE e.ends <> is_final::int + (SELECT count(*) FROM audit_log l WHERE l.subject = r.id::text AND l.action = 'training_run.retry')
UNION ALL
SELECT 'an end repeats the state before it, and only a manual retry follows it', x.run_id FROM run_events x
LEFT JOIN run_events before ON before.run_id = x.run_id AND before.sequence = x.sequence - 1
LEFT JOIN run_events after ON after.run_id = x.run_id AND after.sequence = x.sequence + 1
WHERE x.kind = 'end' AND (
    before.kind IS DISTINCT FROM 'state' OR before.payload ->> 'status' IS DISTINCT FROM x.payload ->> 'status'
    OR (after.sequence IS NOT NULL AND (after.kind <> 'state' OR after.payload ->> 'status' <> 'queued' OR NOT after.payload ? 'by')))
UNION ALL
SELECT 'the last state event has the state of the run', r.id FROM r
WHERE status::text IS DISTINCT FROM
    (SELECT x.payload ->> 'status' FROM run_events x WHERE x.run_id = r.id AND x.kind = 'state' ORDER BY sequence DESC LIMIT 1)
UNION ALL
SELECT 'live objects are of a dataset or of an attempt that succeeded', o.run_id FROM objects o
WHERE o.state = 'live' AND o.dataset_id IS NULL
    AND NOT EXISTS (SELECT FROM attempts x WHERE x.run_id = o.run_id AND x.number = o.attempt_number AND x.status = 'succeeded')
UNION ALL
SELECT 'a waiting run is never forgotten', r.id FROM r
WHERE is_waiting AND wakeup_published_at IS NULL AND NOT EXISTS (SELECT FROM outbox o WHERE o.run_id = r.id)
UNION ALL
SELECT 'two killed children put the run in quarantine', r.id FROM r
WHERE is_waiting AND (SELECT count(*) FROM attempts x WHERE x.run_id = r.id AND x.number >= r.first_attempt AND x.error_code = 'child_killed') >= 2
UNION ALL
SELECT 'quarantine comes from two killed children', r.id FROM r
WHERE error_code = 'training_process_killed'
    AND (SELECT count(*) FROM attempts x WHERE x.run_id = r.id AND x.number >= r.first_attempt AND x.error_code = 'child_killed') <> 2
";

/// # Errors
/// The violated invariants, with the run.
pub(crate) async fn check(conn: &mut PgConnection) -> Result<(), String> {
    let broken: Vec<(String, Option<uuid::Uuid>)> = sqlx::query_as(RULES).fetch_all(conn).await.map_err(|error| error.to_string())?;
    if broken.is_empty() { Ok(()) } else { Err(format!("broken rules: {broken:?}")) }
}
