//! Announcements to be made, written in the transaction that made a run runnable.
//!
//! A row knows by itself when it is due, so that the relay reads the next ones from the front of one index, however many wait.
//! They are announced in the order in which they became due, not by priority, and an urgent run does not wait behind a million
//! for all that: an announcement brings no run to a worker, it only wakes, and a worker that is awake claims the *best* run, announced
//! or not, and claims again after each run until there is none. Idle workers are awake after any announcement, since every one
//! wakes them all. So the only run that depends on its own announcement is one that arrives while nothing else waits; and then its row
//! is at the front.
//!
//! The times are those of the start of a statement (`statement_timestamp()`): Postgres cannot search an index for
//! `clock_timestamp()`, which differs from row to row.

use std::time::Duration;

use sqlx::PgConnection;

use crate::error::RunsError;
use crate::ids::RunId;

/// Asks the relay to announce the run when its time has come. Called inside the transaction that makes it runnable.
pub(crate) async fn ask_for_announcement(conn: &mut PgConnection, run_id: RunId) -> Result<(), RunsError> {
    sqlx::query!("INSERT INTO outbox (run_id, due_at) SELECT id, run_after FROM training_runs WHERE id = $1", run_id as RunId)
        .execute(conn)
        .await?;
    Ok(())
}

/// Announcements that are due, those that are due for the longest first, locked against other relays until the transaction ends:
/// `(outbox id, run)`. Of the rows it looks at, those of runs that need no announcement any more are deleted, and those of runs
/// that now wait for a later time are put off until then.
///
/// # Errors
/// When Postgres does not answer.
pub async fn due_announcements(conn: &mut PgConnection, limit: i64) -> Result<Vec<(i64, RunId)>, RunsError> {
    loop {
        let taken = take(conn, limit).await?;
        let looked_at = taken.len();
        let due: Vec<_> = taken.into_iter().filter_map(|(id, run_id, waits)| waits.then_some((id, run_id))).collect();
        if !due.is_empty() || i64::try_from(looked_at) != Ok(limit) {
            return Ok(due);
        }
    }
}

/// The next rows, each with whether its run waits to be announced now.
async fn take(conn: &mut PgConnection, limit: i64) -> Result<Vec<(i64, RunId, bool)>, RunsError> {
    let rows = sqlx::query!(
        r#"
        WITH taken AS MATERIALIZED (
            SELECT id, run_id, due_at
            FROM outbox
            WHERE due_at <= statement_timestamp()
            ORDER BY due_at, id
            LIMIT $1
            FOR UPDATE SKIP LOCKED
        ),
        known AS MATERIALIZED (
            SELECT t.id, t.run_id, t.due_at, r.run_after, r.status IN ('queued', 'retrying') AS waits
            FROM taken t
            JOIN training_runs r ON r.id = t.run_id
        ),
        needless AS (
            DELETE FROM outbox o
            USING known k
            WHERE o.id = k.id AND NOT k.waits
        ),
        put_off AS (
            UPDATE outbox o
            SET due_at = k.run_after
            FROM known k
            WHERE o.id = k.id AND k.waits AND k.run_after > statement_timestamp()
        )
        SELECT id, run_id AS "run_id: RunId", waits AND run_after <= statement_timestamp() AS "waits!"
        FROM known
        ORDER BY due_at, id
        "#,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.run_id, row.waits)).collect())
}

/// Removes announcements that Redis has taken. When this commit is lost they are made twice, which does no harm.
///
/// # Errors
/// When Postgres does not answer.
pub async fn announced(conn: &mut PgConnection, outbox_ids: &[i64], run_ids: &[RunId]) -> Result<(), RunsError> {
    sqlx::query!("DELETE FROM outbox WHERE id = ANY($1)", outbox_ids).execute(&mut *conn).await?;
    let run_ids: Vec<uuid::Uuid> = run_ids.iter().map(|id| id.0).collect();
    sqlx::query!("UPDATE training_runs SET announced_at = clock_timestamp() WHERE id = ANY($1)", &run_ids).execute(conn).await?;
    Ok(())
}

/// How long until the next waiting announcement is due; `None` when nothing waits.
///
/// # Errors
/// When Postgres does not answer.
pub async fn next_due_in(conn: &mut PgConnection) -> Result<Option<Duration>, RunsError> {
    let seconds =
        sqlx::query_scalar!(r#"SELECT extract(epoch FROM min(due_at) - clock_timestamp())::float8 FROM outbox"#).fetch_one(conn).await?;
    Ok(seconds.map(|seconds| Duration::from_secs_f64(seconds.max(0.0))))
}
