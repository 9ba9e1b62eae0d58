//! Keeps the lease of an attempt: renews it, and watches for loss and cancellation.

use std::time::Duration;

use aprendiz_db::Database;
use aprendiz_runs::{AttemptId, RunsError, cancel_was_requested, renew_lease};
use tokio::time::Instant;

/// How often to check for a cancellation request; a request must be noticed within two seconds.
const CANCEL_POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Why the attempt must stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeaseEnd {
    /// A user asked to cancel the run.
    CancelRequested,
    /// Another worker may own the run now.
    Lost,
}

/// Renews the lease every third of its duration until the attempt must stop.
///
/// The lease counts from before the claim or renewal was sent (`claimed_at`), so the worker never trusts it longer than the database does:
/// this returns no later than the database considers the lease expired.
pub(crate) async fn keep(database: &Database, attempt: AttemptId, lease: Duration, claimed_at: Instant) -> LeaseEnd {
    let mut renewed_at = claimed_at;
    let mut next_renewal = renewed_at + lease / 3;
    loop {
        let now = Instant::now();
        if now >= renewed_at + lease {
            return LeaseEnd::Lost;
        }
        // a response after the lease has expired is useless
        let remaining = renewed_at + lease - now;
        match tokio::time::timeout(remaining, check(database, attempt, lease, now >= next_renewal)).await {
            Ok(Ok(LeaseCheck { cancel_requested: true, .. })) => return LeaseEnd::CancelRequested,
            Ok(Ok(LeaseCheck { renewed: true, .. })) => {
                metrics::counter!("aprendiz_worker_lease_renewals_total", "outcome" => "renewed").increment(1);
                renewed_at = now;
                next_renewal = now + lease / 3;
            }
            Ok(Ok(_)) => {}
            Ok(Err(RunsError::LeaseLost { .. })) => return LeaseEnd::Lost,
            Ok(Err(error)) => {
                metrics::counter!("aprendiz_worker_lease_renewals_total", "outcome" => "failed").increment(1);
                tracing::warn!(%error, "lease renewal failed, retrying until the lease expires");
            }
            Err(_) => return LeaseEnd::Lost,
        }
        tokio::time::sleep_until(next_check(Instant::now(), renewed_at + lease, lease)).await;
    }
}

/// When to check again: after the poll interval, but no later than the lease expires.
fn next_check(now: Instant, expires_at: Instant, lease: Duration) -> Instant {
    (now + CANCEL_POLL_INTERVAL.min(lease / 6)).min(expires_at)
}

struct LeaseCheck {
    cancel_requested: bool,
    renewed: bool,
}

async fn check(database: &Database, attempt: AttemptId, lease: Duration, renew: bool) -> Result<LeaseCheck, RunsError> {
    let mut tx = database.begin().await?;
    if renew {
        renew_lease(&mut tx, attempt, lease).await?;
    }
    let cancel_requested = cancel_was_requested(&mut tx, attempt).await?;
    tx.commit().await?;
    Ok(LeaseCheck { cancel_requested, renewed: renew })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_check_is_never_after_the_lease_expires() {
        let claimed_at = Instant::now();
        for seconds in [1, 2, 30, 3600] {
            let lease = Duration::from_secs(seconds);
            let expires_at = claimed_at + lease;
            // a check that failed just before the lease expires
            assert_eq!(next_check(expires_at - Duration::from_millis(1), expires_at, lease), expires_at);
            let first = next_check(claimed_at, expires_at, lease);
            assert!(first > claimed_at && first <= claimed_at + CANCEL_POLL_INTERVAL);
        }
    }
}
