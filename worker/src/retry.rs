//! Repeats database operations while Postgres is unreachable, and those that it aborted because of a concurrent transaction.
//!
//! A cut connection, a restart, a failover or a conflict must not cost an attempt while its lease holds. There is no limit: once the
//! lease is lost, `lease::keep` ends the attempt and drops the repeating future.

use std::time::Duration;

use aprendiz_runs::RunsError;

use crate::interruption::Interruption;

const MIN_DELAY: Duration = Duration::from_millis(100);
const MAX_DELAY: Duration = Duration::from_secs(2);

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
                Some(reason) => backoff.wait(&reason).await,
                None => break result,
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
    /// The reason in these cases, `None` for any other error.
    fn outage(&self) -> Option<String>;
}

impl OutageError for RunsError {
    fn outage(&self) -> Option<String> {
        self.must_be_repeated().then(|| self.to_string())
    }
}

impl OutageError for Interruption {
    fn outage(&self) -> Option<String> {
        if let Self::DatabaseRetry(reason) = self { Some(reason.clone()) } else { None }
    }
}

/// Exponential back-off between retries, which logs each of them.
pub(crate) struct Backoff(aprendiz_db::Backoff);

impl Backoff {
    pub(crate) const fn new() -> Self {
        Self(aprendiz_db::Backoff::new(MIN_DELAY, MAX_DELAY))
    }

    /// Logs the reason and waits before the next retry.
    pub(crate) async fn wait(&mut self, reason: &str) {
        let delay = self.0.next_delay();
        tracing::warn!(
            error = reason,
            retry_in_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
            "the database did not execute the transaction, repeating it"
        );
        tokio::time::sleep(delay).await;
    }
}
