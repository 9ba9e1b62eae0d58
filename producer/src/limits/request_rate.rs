//! Limits the requests per minute of an API key.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::limits::quota::KeyId;

/// Number of keys from which those with a full allowance are forgotten.
const CLEANUP_SIZE: usize = 10_000;
const MINUTE: Duration = Duration::from_secs(60);

/// Requests by API key, as a generic cell rate algorithm: one instant per key. In memory of one server, as the other limits on clients.
#[derive(Debug)]
pub(crate) struct RequestRate {
    /// Time that one request uses up; `None` = no limit.
    interval: Option<Duration>,
    /// Time that a key may be ahead: its burst.
    tolerance: Duration,
    /// The time at which the allowance of a key is full again.
    full_at: Mutex<HashMap<KeyId, Instant>>,
}

impl RequestRate {
    /// Allows each key this many requests per minute, and `burst` at once; 0 per minute = no limit.
    pub(crate) fn new(per_minute: u32, burst: u32) -> Self {
        let interval = (per_minute > 0).then(|| MINUTE / per_minute.max(1));
        let tolerance = interval.unwrap_or_default().saturating_mul(burst.max(1) - 1);
        Self { interval, tolerance, full_at: Mutex::default() }
    }

    /// Counts a request of a key. Returns the time to wait if it has used up its allowance; a rejected request does not count.
    pub(crate) fn count(&self, key: KeyId) -> Result<(), Duration> {
        self.count_at(Instant::now(), key)
    }

    fn count_at(&self, now: Instant, key: KeyId) -> Result<(), Duration> {
        let Some(interval) = self.interval else { return Ok(()) };
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if full_at.len() >= CLEANUP_SIZE {
            full_at.retain(|_, at| *at > now);
        }
        let at = full_at.get(&key).copied().map_or(now, |at| at.max(now));
        let ahead = at.saturating_duration_since(now);
        if ahead > self.tolerance {
            return Err(ahead - self.tolerance);
        }
        full_at.insert(key, at + interval);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: KeyId = KeyId::from_u128(1);

    #[test]
    fn a_key_has_its_burst_and_then_its_rate() {
        let rate = RequestRate::new(60, 3);
        let now = Instant::now();
        for _ in 0..3 {
            assert_eq!(rate.count_at(now, KEY), Ok(()));
        }
        assert_eq!(rate.count_at(now, KEY), Err(Duration::from_secs(1)));
        assert_eq!(rate.count_at(now, KeyId::from_u128(2)), Ok(()), "another key has its own allowance");
        // a rejected request used nothing up
        let later = now + Duration::from_secs(1);
        assert_eq!((rate.count_at(later, KEY), rate.count_at(later, KEY)), (Ok(()), Err(Duration::from_secs(1))));
        let idle = now + Duration::from_secs(3_600);
        assert_eq!((0..9).filter(|_| rate.count_at(idle, KEY).is_ok()).count(), 3, "the allowance does not grow beyond the burst");
    }

    #[test]
    fn zero_means_no_limit() {
        let rate = RequestRate::new(0, 1);
        assert!((0..1_000).all(|_| rate.count(KEY).is_ok()));
    }
}
