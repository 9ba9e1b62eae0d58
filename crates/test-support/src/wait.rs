//! Waits for a condition in another process.

use std::time::{Duration, Instant};

const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Calls `probe` until it returns a value; panics with `what` after `limit`.
///
/// Only for conditions in another process; within a process, await the condition itself.
pub async fn wait_until<T>(what: &str, limit: Duration, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = probe().await {
            return value;
        }
        assert!(started.elapsed() < limit, "timed out after {limit:?} waiting for {what}");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
