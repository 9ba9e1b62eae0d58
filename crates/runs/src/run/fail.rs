//! Failure of an attempt: only this file decides whether a failed attempt is retried. The worker decides which errors are retryable
//! (`worker/src/interruption.rs`); `reap.rs` decides about lost attempts.

use std::time::Duration;

use aprendiz_db::ensure_one_row;
use serde_json::json;
use sqlx::{Acquire as _, PgConnection};

use crate::error::RunsError;
use crate::ids::RunId;
use crate::run::attempt::{AttemptId, Failure};
use crate::run::attempt_end::end_attempt;
use crate::run::cancel::end_cancelled_run;
use crate::run::event::append;
use crate::run::lease::lock_attempt;
use crate::run::outbox::enqueue_outbox;
use crate::run::status::{AttemptStatus, EventKind, RunStatus};
use crate::run::sweep::wakeup::wake_sweep;

/// Error code of a run whose training process was killed in two attempts.
pub(crate) const TRAINING_PROCESS_KILLED: &str = "training_process_killed";
/// Error code of an attempt whose training process was killed by a signal.
pub(crate) const CHILD_KILLED: &str = "child_killed";

/// What happens to the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureOutcome {
    /// It waits for its next attempt.
    Retrying,
    /// It failed for good.
    Failed,
    /// It is cancelled: cancellation was requested before.
    Cancelled,
}

/// Delay before attempt `used + 1`: 5, 10, 20 … at most 600 seconds, times a factor between 0.5 and 1.5, so that runs that failed
/// together do not return together. `jitter` is in [0, 1).
#[must_use]
pub fn retry_delay(used: i32, jitter: f64) -> Duration {
    let exponent = used.clamp(1, 8) - 1;
    let base = (5.0 * 2f64.powi(exponent)).min(600.0);
    Duration::from_secs_f64(base * (0.5 + jitter))
}

/// Records a failed attempt and decides whether the run is retried. A training process killed by a signal in two attempts quarantines
/// the run: it fails with `training_process_killed`.
///
/// # Errors
/// [`RunsError::LeaseLost`].
pub async fn fail_attempt(
    conn: &mut PgConnection,
    attempt: AttemptId,
    failure: &Failure,
    jitter: f64,
) -> Result<FailureOutcome, RunsError> {
    let mut tx = conn.begin().await?;
    let status = lock_attempt(&mut tx, attempt).await?;
    end_attempt(&mut tx, attempt, AttemptStatus::Failed, Some(failure)).await?;
    let outcome = if status == RunStatus::Cancelling {
        end_cancelled_run(&mut tx, attempt).await?;
        FailureOutcome::Cancelled
    } else {
        retry_or_fail(&mut tx, attempt, failure, jitter).await?
    };
    tx.commit().await?;
    Ok(outcome)
}

async fn retry_or_fail(conn: &mut PgConnection, attempt: AttemptId, failure: &Failure, jitter: f64) -> Result<FailureOutcome, RunsError> {
    let budget = sqlx::query!(
        r#"
        SELECT r.attempts_used, r.max_attempts,
            (SELECT count(*) FROM attempts a
             WHERE a.run_id = r.id AND a.error_code = $2 AND a.number >= r.first_attempt) AS "kills!"
        FROM training_runs r
        WHERE r.id = $1
        "#,
        attempt.run_id as RunId,
        CHILD_KILLED
    )
    .fetch_one(&mut *conn)
    .await?;
    let quarantined = budget.kills >= 2;
    if failure.retryable && !quarantined && budget.attempts_used < budget.max_attempts {
        let delay = retry_delay(budget.attempts_used, jitter);
        let retrying = sqlx::query!(
            r#"
            UPDATE training_runs
            SET status = 'retrying', phase = NULL, progress = NULL, error_code = $2, error_text = $3,
                run_after = clock_timestamp() + make_interval(secs => $4)
            WHERE id = $1 AND attempt_number = $5 AND status = 'running'
            "#,
            attempt.run_id as RunId,
            failure.code,
            failure.text,
            delay.as_secs_f64(),
            attempt.number
        )
        .execute(&mut *conn)
        .await?;
        ensure_one_row(&retrying, || attempt.lease_lost())?;
        let payload = json!({ "status": "retrying", "code": failure.code, "text": failure.text, "seconds": delay.as_secs_f64() });
        append(conn, attempt.run_id, Some(attempt.number), EventKind::State, &payload).await?;
        enqueue_outbox(conn, attempt.run_id).await?;
        return Ok(FailureOutcome::Retrying);
    }
    let code = if quarantined { TRAINING_PROCESS_KILLED } else { &failure.code };
    fail_run(conn, attempt, code, &failure.text).await?;
    Ok(FailureOutcome::Failed)
}

/// Fails the run for good. The caller holds the run's row lock and has ended the attempt.
pub(crate) async fn fail_run(conn: &mut PgConnection, attempt: AttemptId, code: &str, text: &str) -> Result<(), RunsError> {
    let failed = sqlx::query!(
        r#"
        UPDATE training_runs
        SET status = 'failed', phase = NULL, progress = NULL, error_code = $2, error_text = $3, finished_at = clock_timestamp()
        WHERE id = $1 AND attempt_number = $4 AND status = 'running'
        "#,
        attempt.run_id as RunId,
        code,
        text,
        attempt.number
    )
    .execute(&mut *conn)
    .await?;
    ensure_one_row(&failed, || attempt.lease_lost())?;
    let payload = json!({ "status": "failed", "code": code, "text": text });
    append(conn, attempt.run_id, Some(attempt.number), EventKind::State, &payload).await?;
    append(conn, attempt.run_id, Some(attempt.number), EventKind::End, &payload).await?;
    wake_sweep(conn, attempt.run_id).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_delay_doubles_and_is_bounded() {
        assert_eq!(retry_delay(1, 0.5), Duration::from_secs(5));
        assert_eq!(retry_delay(2, 0.5), Duration::from_secs(10));
        assert_eq!(retry_delay(1, 0.0), Duration::from_millis(2500));
        assert!(retry_delay(20, 0.999) <= Duration::from_secs(900));
    }
}
