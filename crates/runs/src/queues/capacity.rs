//! The free capacity of a queue with a limit, for the claim of its runs.
//!
//! Only claims make runs run, and a claim in a queue with a limit holds the lock of its row until it commits. So no two claims count the
//! same runs, and the number of running runs cannot grow in between.

use sqlx::PgConnection;

use crate::error::RunsError;
use crate::ids::RunId;

/// Locks a queue and reads what may start in it: `None` if it is full, otherwise the models that are at their limit.
pub(crate) async fn lock_capacity(conn: &mut PgConnection, queue: &str) -> Result<Option<Vec<String>>, RunsError> {
    // not FOR UPDATE, for which the creation of runs would wait
    let limits = sqlx::query!("SELECT max_running, max_running_per_model FROM queues WHERE name = $1 FOR NO KEY UPDATE", queue)
        .fetch_one(&mut *conn)
        .await?;
    // a statement of its own, whose snapshot has every claim that committed before the lock was granted
    let running = sqlx::query!(
        r#"
        SELECT coalesce(sum(runs), 0)::bigint AS "runs!",
            coalesce(array_agg(model) FILTER (WHERE runs >= $2::int), '{}') AS "full_models!"
        FROM (SELECT model, count(*) AS runs FROM training_runs WHERE status IN ('running', 'cancelling') AND queue = $1 GROUP BY model) AS m
        "#,
        queue,
        limits.max_running_per_model
    )
    .fetch_one(conn)
    .await?;
    let is_full = limits.max_running.is_some_and(|max| running.runs >= i64::from(max)) || limits.max_running_per_model == Some(0);
    Ok((!is_full).then_some(running.full_models))
}

/// Wakes the workers for a queue that may have become free, by an outbox entry for one of its due runs. A wake-up names no run, so one is
/// enough: every idle worker then claims the best run that may start.
pub(crate) async fn wake_queue(conn: &mut PgConnection, queue: &str) -> Result<(), RunsError> {
    sqlx::query!(
        r#"
        INSERT INTO outbox (run_id, due_at)
        SELECT id, run_after
        FROM training_runs
        WHERE status IN ('queued', 'retrying') AND queue = $1 AND run_after <= statement_timestamp()
        ORDER BY run_after
        LIMIT 1
        "#,
        queue
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Wakes the workers for the queue of a run whose attempt ends, if the queue has a limit. The worker of the attempt looks for another run
/// itself, but it may lack what the waiting runs require, or be draining.
pub(crate) async fn wake_limited_queue(conn: &mut PgConnection, run: RunId) -> Result<(), RunsError> {
    let queue = sqlx::query_scalar!(
        r#"
        SELECT q.name
        FROM training_runs r
        JOIN queues q ON q.name = r.queue
        WHERE r.id = $1 AND (q.max_running IS NOT NULL OR q.max_running_per_model IS NOT NULL)
        "#,
        run as RunId
    )
    .fetch_optional(&mut *conn)
    .await?;
    match queue {
        Some(queue) => wake_queue(conn, &queue).await,
        None => Ok(()),
    }
}
