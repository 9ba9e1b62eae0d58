//! Repeats database operations while Postgres is unreachable, and those that it aborted because of a concurrent transaction.
//!
//! A cut connection, a restart, a failover or a conflict must not cost an attempt while its lease holds. An outage has no limit: once the
//! lease is lost, `lease::keep` ends the attempt and drops the repeating future. Conflicts have one, because the lease is renewed meanwhile.

use std::time::Duration;

use aprendiz_db::RetryReason;
use aprendiz_runs::RunsError;

use crate::interruption::Interruption;

const MIN_DELAY: Duration = Duration::from_millis(100);
const MAX_DELAY: Duration = Duration::from_secs(2);
/// Conflicts in a row, about a minute of them, after which the operation fails.
const MAX_CONFLICTS: u32 = 30;

/// Evaluates and awaits the expression again for as long as it fails for a reason outside it.
///
/// The operation must be idempotent: a connection may be cut after the commit and before its response. This is a macro because the
/// futures of async closures that borrow a connection cannot be proven `Send`.
macro_rules! retry_on_outage {
    ($operation:expr) => {{
        let mut backoff = $crate::retry::Backoff::new();
        loop {
            let result = $operation.await;
            match result.as_ref().err().and_then($crate::retry::OutageError::outage) {
                Some(outage) if backoff.wait(&outage).await => {}
                _ => break result,
            }
        }
    }};
}
pub(crate) use retry_on_outage;

/// One short transaction: an operation in it, then its commit. After an error it is rolled back.
macro_rules! in_transaction {
    ($database:expr, $tx:ident => $operation:expr) => {
        async {
            let mut $tx = $database.begin().await?;
            let result = $operation.await;
            if result.is_ok() {
                $tx.commit().await?;
            }
            result
        }
    };
}
pub(crate) use in_transaction;

/// An error that may only mean that Postgres is unreachable, or that a concurrent transaction caused a conflict.
pub(crate) trait OutageError {
    /// The outage in these cases, `None` for any other error.
    fn outage(&self) -> Option<Outage>;
}

/// Why an operation is repeated.
pub(crate) struct Outage {
    reason: RetryReason,
    text: String,
}

impl OutageError for RunsError {
    fn outage(&self) -> Option<Outage> {
        Some(Outage { reason: self.retry_reason()?, text: self.to_string() })
    }
}

impl OutageError for Interruption {
    fn outage(&self) -> Option<Outage> {
        if let Self::DatabaseRetry { reason, text } = self { Some(Outage { reason: *reason, text: text.clone() }) } else { None }
    }
}

/// Exponential back-off between retries, which logs each of them.
pub(crate) struct Backoff {
    delays: aprendiz_db::Backoff,
    conflicts: u32,
}

impl Backoff {
    pub(crate) const fn new() -> Self {
        Self { delays: aprendiz_db::Backoff::new(MIN_DELAY, MAX_DELAY), conflicts: 0 }
    }

    /// Logs the reason and waits before the next retry. Returns `false` after too many conflicts in a row: the attempt fails, and the run is
    /// retried later.
    pub(crate) async fn wait(&mut self, outage: &Outage) -> bool {
        if !self.count(outage.reason) {
            return false;
        }
        let delay = self.delays.next_delay();
        tracing::warn!(
            error = outage.text,
            retry_in_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
            "the database did not execute the transaction, repeating it"
        );
        tokio::time::sleep(delay).await;
        true
    }

    /// Counts conflicts in a row. Returns whether there is another retry.
    const fn count(&mut self, reason: RetryReason) -> bool {
        self.conflicts = match reason {
            RetryReason::Conflict => self.conflicts + 1,
            RetryReason::Unavailable => 0,
        };
        self.conflicts <= MAX_CONFLICTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conflicts_in_a_row_have_a_limit_and_outages_have_none() {
        let mut backoff = Backoff::new();
        assert!((0..1_000).all(|_| backoff.count(RetryReason::Unavailable)));
        assert!((0..MAX_CONFLICTS).all(|_| backoff.count(RetryReason::Conflict)));
        assert!(backoff.count(RetryReason::Unavailable));
        assert!((0..MAX_CONFLICTS).all(|_| backoff.count(RetryReason::Conflict)));
        assert!(!backoff.count(RetryReason::Conflict));
    }
}
