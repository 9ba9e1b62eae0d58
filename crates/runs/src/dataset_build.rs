//! Who builds a snapshot that several runs ask for: the first one; the others wait, without a slot, until it is there.
//!
//! A build is held through the attempt that builds: as long as that runs and its lease has not expired. So there is nothing to
//! renew, and whatever ends the attempt ends the build.

use std::time::Duration;

use serde_json::json;
use sqlx::{Acquire as _, PgConnection};

use crate::attempt::AttemptKey;
use crate::ending::{end_cancelled, release};
use crate::error::RunsError;
use crate::ids::RunId;
use crate::lease::hold_fence;
use crate::status::RunStatus;

/// A run that waits looks by itself after this time, should the end of the build not have woken it.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// What [`begin_dataset_build`] decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatasetBuild {
    /// The attempt is to build it.
    Begun,
    /// This run builds it. The attempt has been released: it is over, its run waits and will be claimed again.
    BuiltBy(RunId),
}

/// Asks for the right to build the snapshot with this key. Asked again by who has it, it is given again.
///
/// # Errors
/// [`RunsError::LeaseLost`].
pub async fn begin_dataset_build(conn: &mut PgConnection, key: AttemptKey, dataset_key: &str) -> Result<DatasetBuild, RunsError> {
    let mut tx = conn.begin().await?;
    let status = hold_fence(&mut tx, key).await?;
    // the row is locked either way, until the commit: its builder cannot end unseen between this look and the wait
    let begun = sqlx::query!(
        r#"
        INSERT INTO dataset_builds AS b (key, run_id, attempt_number)
        VALUES ($1, $2, $3)
        ON CONFLICT (key) DO UPDATE
        SET run_id = excluded.run_id, attempt_number = excluded.attempt_number, started_at = clock_timestamp()
        WHERE (b.run_id = excluded.run_id AND b.attempt_number = excluded.attempt_number)
           OR NOT EXISTS (
               SELECT
               FROM attempts a
               WHERE a.run_id = b.run_id AND a.number = b.attempt_number AND a.status = 'running' AND a.lease_expires_at > clock_timestamp()
           )
        "#,
        dataset_key,
        key.run_id as RunId,
        key.number
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    let decided = if begun == 1 {
        DatasetBuild::Begun
    } else {
        let builder = sqlx::query_scalar!(r#"SELECT run_id AS "run_id: RunId" FROM dataset_builds WHERE key = $1"#, dataset_key)
            .fetch_one(&mut *tx)
            .await?;
        if status == RunStatus::Cancelling {
            end_cancelled(&mut tx, key).await?;
        } else {
            await_build(&mut tx, key, dataset_key, builder).await?;
        }
        DatasetBuild::BuiltBy(builder)
    };
    tx.commit().await?;
    Ok(decided)
}

async fn await_build(conn: &mut PgConnection, key: AttemptKey, dataset_key: &str, builder: RunId) -> Result<(), RunsError> {
    let reason = json!({ "status": "queued", "attempt": "released", "awaits": "dataset", "built_by": builder });
    release(conn, key, LOOK_AGAIN, &reason).await?;
    sqlx::query!("UPDATE training_runs SET awaited_dataset_key = $2 WHERE id = $1", key.run_id as RunId, dataset_key).execute(conn).await?;
    Ok(())
}

/// Ends the builds of an attempt and makes the runs that wait for them runnable. The caller has begun a transaction.
///
/// # Errors
/// When Postgres does not answer.
pub async fn end_dataset_builds(conn: &mut PgConnection, key: AttemptKey) -> Result<(), RunsError> {
    let ended = sqlx::query_scalar!(
        "DELETE FROM dataset_builds WHERE run_id = $1 AND attempt_number = $2 RETURNING key",
        key.run_id as RunId,
        key.number
    )
    .fetch_all(&mut *conn)
    .await?;
    if ended.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        r#"
        WITH waiting AS (
            SELECT id
            FROM training_runs
            WHERE awaited_dataset_key = ANY($1) AND status = 'queued'
            ORDER BY id
            -- one that somebody holds is changing for another reason
            FOR UPDATE SKIP LOCKED
        ), woken AS (
            UPDATE training_runs r
            SET run_after = clock_timestamp(), awaited_dataset_key = NULL
            FROM waiting w
            WHERE r.id = w.id
            RETURNING r.id, r.run_after
        )
        INSERT INTO outbox (run_id, due_at)
        SELECT id, run_after FROM woken
        "#,
        &ended
    )
    .execute(conn)
    .await?;
    Ok(())
}
