//! How often unknown keys may cause a request to the provider.

use std::time::{Duration, Instant};

/// Number of requests at once.
const BURST: u32 = 5;
/// Time after which one more is allowed.
const INTERVAL: Duration = Duration::from_secs(10);

/// Limits requests that anybody can cause by a token with an unknown key.
#[derive(Debug)]
pub(super) struct RefreshLimit {
    left: u32,
    since: Instant,
}

impl RefreshLimit {
    pub(super) fn new(now: Instant) -> Self {
        Self { left: BURST, since: now }
    }

    /// Takes one request; `false` if none is left.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let regained = u32::try_from(now.saturating_duration_since(self.since).as_secs() / INTERVAL.as_secs()).unwrap_or(u32::MAX);
        if regained > 0 {
            self.left = self.left.saturating_add(regained).min(BURST);
            self.since = now;
        }
        let is_allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        is_allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_requests_are_allowed_at_once_and_then_one_per_interval() {
        let start = Instant::now();
        let mut limit = RefreshLimit::new(start);
        assert_eq!((0..10).filter(|_| limit.take(start)).count(), 5);
        assert!(!limit.take(start + INTERVAL / 2));
        assert!(limit.take(start + INTERVAL) && !limit.take(start + INTERVAL));
        assert_eq!((0..10).filter(|_| limit.take(start + 100 * INTERVAL)).count(), 5);
    }
}
