//! Log of requests rejected with 503. An overload rejects thousands of them: each code is logged once per period, with their number.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Minimum time between two warnings about the same code.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

static LOG: LazyLock<Mutex<RejectionLog>> = LazyLock::new(Mutex::default);

/// Counts a rejected request, and logs it unless its code was logged within the period.
pub(super) fn warn(code: &str, detail: &str, source: Option<&anyhow::Error>) {
    let unlogged = LOG.lock().unwrap_or_else(PoisonError::into_inner).count(code, Instant::now());
    let Some(unlogged) = unlogged else {
        return;
    };
    let error = source.map(|source| format!("{source:#}"));
    tracing::warn!(code, error, unlogged, "request rejected: {detail}");
}

/// Rejections by code.
#[derive(Default)]
struct RejectionLog(HashMap<String, Rejections>);

struct Rejections {
    logged_at: Instant,
    unlogged: u64,
}

impl RejectionLog {
    /// The number of earlier rejections that were not logged, if this one is to be logged.
    fn count(&mut self, code: &str, now: Instant) -> Option<u64> {
        let Some(known) = self.0.get_mut(code) else {
            self.0.insert(code.to_owned(), Rejections { logged_at: now, unlogged: 0 });
            return Some(0);
        };
        if now.saturating_duration_since(known.logged_at) < WARNING_INTERVAL {
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
        assert_eq!(log.count("overloaded", start), Some(0));
        assert_eq!(log.count("overloaded", start + Duration::from_secs(1)), None);
        assert_eq!(log.count("timed_out", start + Duration::from_secs(1)), Some(0));
        assert_eq!(log.count("overloaded", start + Duration::from_secs(9)), None);
        assert_eq!(log.count("overloaded", start + WARNING_INTERVAL), Some(2));
        assert_eq!(log.count("overloaded", start + WARNING_INTERVAL * 2), Some(0));
    }
}
