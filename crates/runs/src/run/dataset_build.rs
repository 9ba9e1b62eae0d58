//! Sharing of dataset builds: the first run that needs a snapshot builds it, the others wait for it without a slot.
//!
//! A build belongs to an attempt and lasts as long as its lease. Nothing has to be renewed, and the end of the attempt ends the build.

use std::time::Duration;

use aprendiz_db::ensure_one_row;
use serde_json::json;
use sqlx::{Acquire as _, PgConnection};

use crate::error::RunsError;
use crate::ids::RunId;
use crate::run::attempt::AttemptId;
use crate::run::cancel::end_cancelled;
use crate::run::lease::lock_attempt;
use crate::run::release::requeue_released;
use crate::run::status::RunStatus;

/// A waiting run becomes claimable after this time, in case the end of the build did not wake it.
const RECHECK_INTERVAL: Duration = Duration::from_secs(60);

/// Result of [`begin_dataset_build`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatasetBuild {
    /// The attempt builds the snapshot.
    Started,
    /// This run builds it. The attempt has been released; its run waits and will be claimed again.
    BuiltBy(RunId),
}

/// Claims the build of the snapshot with this key. Idempotent for the attempt that already owns the build.
///
/// # Errors
/// [`RunsError::LeaseLost`].
pub async fn begin_dataset_build(conn: &mut PgConnection, attempt: AttemptId, dataset_key: &str) -> Result<DatasetBuild, RunsError> {
    let mut tx = conn.begin().await?;
    let status = lock_attempt(&mut tx, attempt).await?;
    // either way the row stays locked until commit, so the build cannot end unnoticed before this run is set to wait
    let started = sqlx::query!(
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
        attempt.run_id as RunId,
        attempt.number
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    let outcome = if started == 1 {
        DatasetBuild::Started
    } else {
        let builder = sqlx::query_scalar!(r#"SELECT run_id AS "run_id: RunId" FROM dataset_builds WHERE key = $1"#, dataset_key)
            .fetch_one(&mut *tx)
            .await?;
        if status == RunStatus::Cancelling {
            end_cancelled(&mut tx, attempt).await?;
        } else {
            await_build(&mut tx, attempt, dataset_key, builder).await?;
        }
        DatasetBuild::BuiltBy(builder)
    };
    tx.commit().await?;
    Ok(outcome)
}

async fn await_build(conn: &mut PgConnection, attempt: AttemptId, dataset_key: &str, builder: RunId) -> Result<(), RunsError> {
    let reason = json!({ "status": "queued", "attempt": "released", "awaits": "dataset", "built_by": builder });
    requeue_released(conn, attempt, RECHECK_INTERVAL, &reason).await?;
    let waits = sqlx::query!(
        "UPDATE training_runs SET awaited_dataset_key = $3 WHERE id = $1 AND attempt_number = $2 AND status = 'queued'",
        attempt.run_id as RunId,
        attempt.number,
        dataset_key
    )
    .execute(conn)
    .await?;
    ensure_one_row(&waits, || attempt.lease_lost())
}
