//! Log of requests that the server could not serve: those rejected with 503, and those that failed with 500.
//!
//! An overload rejects thousands of them, and a standing cause, such as a missing right, fails every request: each cause is logged once per
//! period, with the number of those that were not logged.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Minimum time between two warnings about the same code.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);
/// Minimum time between two errors with the same cause.
const ERROR_INTERVAL: Duration = Duration::from_secs(60);
/// Maximum number of remembered causes. Some causes name an id, so their number has no limit of its own.
const MAX_CAUSES: usize = 1_000;

static REJECTIONS: LazyLock<Mutex<RejectionLog>> = LazyLock::new(Mutex::default);
static FAILURES: LazyLock<Mutex<RejectionLog>> = LazyLock::new(Mutex::default);

/// Counts a rejected request, and logs it unless its code was logged within the period.
pub(super) fn warn(code: &str, detail: &str, source: Option<&anyhow::Error>) {
    let unlogged = REJECTIONS.lock().unwrap_or_else(PoisonError::into_inner).count(code, Instant::now(), WARNING_INTERVAL);
    let Some(unlogged) = unlogged else {
        return;
    };
    let error = source.map(|source| format!("{source:#}"));
    tracing::warn!(code, error, unlogged, "request rejected: {detail}");
}

/// Counts a failed request, and logs it unless its cause was logged within the period.
pub(super) fn error(cause: &anyhow::Error) {
    let error = format!("{cause:#}");
    let unlogged = FAILURES.lock().unwrap_or_else(PoisonError::into_inner).count(&error, Instant::now(), ERROR_INTERVAL);
    if let Some(unlogged) = unlogged {
        tracing::error!(error, unlogged, "request failed");
    }
}

/// Rejections by code, or failures by cause.
#[derive(Default)]
struct RejectionLog(HashMap<String, Rejections>);

struct Rejections {
    logged_at: Instant,
    unlogged: u64,
}

impl RejectionLog {
    /// The number of earlier rejections that were not logged, if this one is to be logged.
    fn count(&mut self, code: &str, now: Instant, interval: Duration) -> Option<u64> {
        if self.0.len() >= MAX_CAUSES && !self.0.contains_key(code) {
            self.0.retain(|_, known| now.saturating_duration_since(known.logged_at) < interval);
            if self.0.len() >= MAX_CAUSES {
                self.0.clear();
            }
        }
        let Some(known) = self.0.get_mut(code) else {
            self.0.insert(code.to_owned(), Rejections { logged_at: now, unlogged: 0 });
            return Some(0);
        };
        if now.saturating_duration_since(known.logged_at) < interval {
            known.unlogged += 1;
            return None;
        }
        known.logged_at = now;
        Some(std::mem::take(&mut known.unlogged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_logged_once_per_period_with_the_number_in_between() {
        let (mut log, start) = (RejectionLog::default(), Instant::now());
        assert_eq!(log.count("overloaded", start, WARNING_INTERVAL), Some(0));
        assert_eq!(log.count("overloaded", start + Duration::from_secs(1), WARNING_INTERVAL), None);
        assert_eq!(log.count("timed_out", start + Duration::from_secs(1), WARNING_INTERVAL), Some(0));
        assert_eq!(log.count("overloaded", start + Duration::from_secs(9), WARNING_INTERVAL), None);
        assert_eq!(log.count("overloaded", start + WARNING_INTERVAL, WARNING_INTERVAL), Some(2));
        assert_eq!(log.count("overloaded", start + WARNING_INTERVAL * 2, WARNING_INTERVAL), Some(0));
    }

    #[test]
    fn the_number_of_remembered_causes_is_bounded() {
        let (mut log, start) = (RejectionLog::default(), Instant::now());
        for number in 0..2 * MAX_CAUSES {
            assert_eq!(log.count(&number.to_string(), start, ERROR_INTERVAL), Some(0));
            assert!(log.0.len() <= MAX_CAUSES);
        }
        assert_eq!(log.count(&(2 * MAX_CAUSES - 1).to_string(), start, ERROR_INTERVAL), None);
    }
}
