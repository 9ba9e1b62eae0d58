//! Failures: what becomes of a run whose attempt failed. The one place where retries are decided.

use std::time::Duration;

use serde_json::json;
use sqlx::{Acquire as _, PgConnection};

use crate::attempt::AttemptKey;
use crate::ending::{end_attempt, end_cancelled_run};
use crate::error::RunsError;
use crate::event::append;
use crate::ids::RunId;
use crate::lease::hold_fence;
use crate::outbox::ask_for_announcement;
use crate::status::{AttemptStatus, EventKind, RunStatus};

/// Failure code of a run whose training child was killed in two attempts.
pub(crate) const WORKER_KILLED: &str = "worker_killed";
/// Failure code of an attempt whose training child was killed by a signal.
pub(crate) const CHILD_KILLED: &str = "child_killed";

/// Why an attempt failed, decided at the line that understood the error.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Short, stable, for counting.
    pub code: String,
    /// In words, naming the thing and the way out.
    pub text: String,
    /// Whether another attempt may succeed.
    pub retryable: bool,
}

/// What became of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureOutcome {
    /// It waits for its next attempt.
    Retrying,
    /// It failed for good.
    Failed,
    /// It had been asked to cancel, and is cancelled.
    Cancelled,
}

/// Seconds until attempt `used + 1`: 5, 10, 20 … at most 600, times a jitter between 0.5 and 1.5 so that runs which failed together
/// do not come back together. `jitter` is in [0, 1).
#[must_use]
pub fn retry_delay(used: i32, jitter: f64) -> Duration {
    let exponent = used.clamp(1, 8) - 1;
    let base = (5.0 * 2f64.powi(exponent)).min(600.0);
    Duration::from_secs_f64(base * (0.5 + jitter))
}

/// Records a failed attempt and decides what becomes of the run. A child killed by a signal in two attempts puts the run
/// in quarantine (`worker_killed`).
///
/// # Errors
/// [`RunsError::LeaseLost`].
pub async fn fail_attempt(conn: &mut PgConnection, key: AttemptKey, failure: &Failure, jitter: f64) -> Result<FailureOutcome, RunsError> {
    let mut tx = conn.begin().await?;
    let status = hold_fence(&mut tx, key).await?;
    end_attempt(&mut tx, key, AttemptStatus::Failed, Some(failure)).await?;
    let outcome = if status == RunStatus::Cancelling {
        end_cancelled_run(&mut tx, key).await?;
        FailureOutcome::Cancelled
    } else {
        settle_failure(&mut tx, key, failure, jitter).await?
    };
    tx.commit().await?;
    Ok(outcome)
}

async fn settle_failure(conn: &mut PgConnection, key: AttemptKey, failure: &Failure, jitter: f64) -> Result<FailureOutcome, RunsError> {
    let budget = sqlx::query!(
        r#"
        SELECT r.attempts_used, r.max_attempts,
            (SELECT count(*) FROM attempts a
             WHERE a.run_id = r.id AND a.error_code = $2 AND a.number >= r.first_attempt) AS "kills!"
        FROM training_runs r
        WHERE r.id = $1
        "#,
        key.run_id as RunId,
        CHILD_KILLED
    )
    .fetch_one(&mut *conn)
    .await?;
    let quarantined = budget.kills >= 2;
    if failure.retryable && !quarantined && budget.attempts_used < budget.max_attempts {
        let delay = retry_delay(budget.attempts_used, jitter);
        sqlx::query!(
            r#"
            UPDATE training_runs
            SET status = 'retrying', phase = NULL, progress = NULL, error_code = $2, error_text = $3,
                run_after = clock_timestamp() + make_interval(secs => $4)
            WHERE id = $1
            "#,
            key.run_id as RunId,
            failure.code,
            failure.text,
            delay.as_secs_f64()
        )
        .execute(&mut *conn)
        .await?;
        let payload = json!({ "status": "retrying", "code": failure.code, "text": failure.text, "seconds": delay.as_secs_f64() });
        append(conn, key.run_id, Some(key.number), EventKind::State, &payload).await?;
        ask_for_announcement(conn, key.run_id).await?;
        return Ok(FailureOutcome::Retrying);
    }
    let code = if quarantined { WORKER_KILLED } else { &failure.code };
    fail_run(conn, key, code, &failure.text).await?;
    Ok(FailureOutcome::Failed)
}

/// Fails the run for good. The caller holds the run's row.
pub(crate) async fn fail_run(conn: &mut PgConnection, key: AttemptKey, code: &str, text: &str) -> Result<(), RunsError> {
    sqlx::query!(
        r#"
        UPDATE training_runs
        SET status = 'failed', phase = NULL, progress = NULL, error_code = $2, error_text = $3, finished_at = clock_timestamp()
        WHERE id = $1
        "#,
        key.run_id as RunId,
        code,
        text
    )
    .execute(&mut *conn)
    .await?;
    let payload = json!({ "status": "failed", "code": code, "text": text });
    append(conn, key.run_id, Some(key.number), EventKind::State, &payload).await?;
    append(conn, key.run_id, Some(key.number), EventKind::End, &payload).await
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
