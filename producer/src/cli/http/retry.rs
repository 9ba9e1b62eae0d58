//! Repeats requests that failed for a reason that may pass: a restart of the server, or a proxy that does not reach it.

use std::time::Duration;

use tokio::time::sleep;

use crate::cli::error::CliError;

const MIN_BACKOFF: Duration = Duration::from_millis(250);
const MAX_BACKOFF: Duration = Duration::from_secs(5);
/// Consecutive failures before the command gives up: about 80 s, enough for a restart of the server.
const MAX_FAILURES: u32 = 20;

/// Counts consecutive failures.
#[derive(Debug, Default)]
pub(crate) struct Retry {
    failures: u32,
}

impl Retry {
    /// Starts to count again, after progress.
    pub(crate) const fn reset(&mut self) {
        self.failures = 0;
    }

    /// Waits before the next attempt. Returns the error if another attempt is of no use.
    pub(crate) async fn pause(&mut self, error: CliError) -> Result<(), CliError> {
        if !error.is_temporary() || self.failures >= MAX_FAILURES {
            return Err(error);
        }
        sleep(MIN_BACKOFF.saturating_mul(1 << self.failures.min(8)).min(MAX_BACKOFF)).await;
        self.failures += 1;
        Ok(())
    }
}
