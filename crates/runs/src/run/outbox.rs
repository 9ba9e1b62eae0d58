//! The outbox: wake-ups to be published, written in the transaction that makes a run claimable.
//!
//! Every row stores its due time, so the relay reads the next rows from the front of one index, however many wait. Rows are published
//! in due order, not by priority, and an urgent run still does not wait behind the others: a wake-up assigns no run. It wakes all
//! idle workers, and each of them claims the *best* run, published or not, until none is left. Only a run that arrives while no other
//! run waits depends on its own wake-up, and then its row is at the front.
//!
//! Times are compared with the start of the statement (`statement_timestamp()`): Postgres cannot use an index for
//! `clock_timestamp()`, which differs from row to row.

use std::time::Duration;

use aprendiz_db::ensure_one_row;
use sqlx::PgConnection;

use crate::error::RunsError;
use crate::ids::RunId;

/// Adds the run to the outbox, due at its `run_after`. Called inside the transaction that makes the run claimable.
pub(crate) async fn enqueue_outbox(conn: &mut PgConnection, run_id: RunId) -> Result<(), RunsError> {
    let enqueued =
        sqlx::query!("INSERT INTO outbox (run_id, due_at) SELECT id, run_after FROM training_runs WHERE id = $1", run_id as RunId)
            .execute(conn)
            .await?;
    ensure_one_row(&enqueued, || RunsError::UnknownRun(run_id))
}

/// Deletes the entries of a run that no longer waits. Called inside the transaction that ends it. An entry that a relay is publishing is
/// skipped, because the relay deletes it; waiting for the relay would make this transaction depend on Redis.
pub(crate) async fn clear_outbox(conn: &mut PgConnection, run_id: RunId) -> Result<(), RunsError> {
    sqlx::query!("DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE run_id = $1 FOR UPDATE SKIP LOCKED)", run_id as RunId)
        .execute(conn)
        .await?;
    Ok(())
}

/// Reads due entries as `(outbox id, run)`, longest due first, and locks them against other relays until the transaction ends. Entries
/// of runs that no longer wait are deleted; entries of runs that now wait for a later time are postponed.
///
/// # Errors
/// When Postgres does not answer.
pub async fn due_outbox_entries(conn: &mut PgConnection, limit: i64) -> Result<Vec<(i64, RunId)>, RunsError> {
    loop {
        let taken = take(conn, limit).await?;
        let count = taken.len();
        let due: Vec<_> = taken.into_iter().filter_map(|(id, run_id, waits)| waits.then_some((id, run_id))).collect();
        if !due.is_empty() || i64::try_from(count) != Ok(limit) {
            return Ok(due);
        }
    }
}

/// Takes the next rows, each with whether its run is claimable now.
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
        obsolete AS (
            DELETE FROM outbox o
            USING known k
            WHERE o.id = k.id AND NOT k.waits
        ),
        postponed AS (
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

/// Deletes outbox entries whose message Redis has accepted. If this commit is lost they are published twice, which is harmless.
///
/// # Errors
/// When Postgres does not answer.
pub async fn delete_published(conn: &mut PgConnection, outbox_ids: &[i64]) -> Result<(), RunsError> {
    sqlx::query!("DELETE FROM outbox WHERE id = ANY($1)", outbox_ids).execute(conn).await?;
    Ok(())
}

/// Records that the wake-ups of runs are published now. Runs that stay unclaimed after this time are published again.
///
/// # Errors
/// When Postgres does not answer.
pub async fn record_publication(conn: &mut PgConnection, run_ids: &[RunId]) -> Result<(), RunsError> {
    let run_ids: Vec<uuid::Uuid> = run_ids.iter().map(|id| id.0).collect();
    sqlx::query!("UPDATE training_runs SET wakeup_published_at = clock_timestamp() WHERE id = ANY($1)", &run_ids).execute(conn).await?;
    Ok(())
}

/// Time until the next entry is due; `None` when the outbox is empty.
///
/// # Errors
/// When Postgres does not answer.
pub async fn next_due_in(conn: &mut PgConnection) -> Result<Option<Duration>, RunsError> {
    let seconds =
        sqlx::query_scalar!(r#"SELECT extract(epoch FROM min(due_at) - clock_timestamp())::float8 FROM outbox"#).fetch_one(conn).await?;
    Ok(seconds.map(|seconds| Duration::from_secs_f64(seconds.max(0.0))))
}
