//! A bounded quantity that all API keys share and of which a single key may hold only a part.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

/// Id of an API key.
pub(crate) type KeyId = Uuid;

/// A bounded quantity: request slots, connections or bytes.
#[derive(Debug)]
pub(crate) struct Quota {
    capacity: u64,
    per_key: u64,
    held: Mutex<Held>,
    released: Notify,
}

#[derive(Debug, Default)]
struct Held {
    total: u64,
    by_key: HashMap<KeyId, u64>,
}

/// Why a quota granted nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exhausted {
    /// All clients together hold everything.
    Total,
    /// The API key holds its part.
    Key,
}

impl Quota {
    /// A quota of which each key may hold `per_key`, but at least one unit.
    pub(crate) fn new(capacity: u64, per_key: u64) -> Arc<Self> {
        Arc::new(Self { capacity, per_key: per_key.max(1), held: Mutex::default(), released: Notify::new() })
    }

    /// Number of units in use.
    pub(crate) fn used(&self) -> u64 {
        self.lock().total
    }

    /// Whether not a single unit is available.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.used() >= self.capacity
    }

    /// Takes units, if they are available now.
    pub(crate) fn try_take(self: &Arc<Self>, key: Option<KeyId>, units: u64) -> Result<Share, Exhausted> {
        self.add(key, units)?;
        Ok(Share { quota: Arc::clone(self), key, units })
    }

    /// Takes units, and waits for them for a limited time.
    pub(crate) async fn take(self: &Arc<Self>, key: Option<KeyId>, units: u64, limit: Duration) -> Result<Share, Exhausted> {
        let deadline = Instant::now() + limit;
        loop {
            let released = self.released.notified();
            tokio::pin!(released);
            // registered before the attempt, so that no release in between is missed
            released.as_mut().enable();
            match self.try_take(key, units) {
                Ok(share) => return Ok(share),
                Err(exhausted) => timeout_at(deadline, released).await.map_err(|_| exhausted)?,
            }
        }
    }

    fn add(&self, key: Option<KeyId>, units: u64) -> Result<(), Exhausted> {
        let mut held = self.lock();
        let total = held.total.saturating_add(units);
        if total > self.capacity {
            return Err(Exhausted::Total);
        }
        if let Some(key) = key {
            self.add_to_key(&mut held, key, units)?;
        }
        held.total = total;
        Ok(())
    }

    fn add_to_key(&self, held: &mut Held, key: KeyId, units: u64) -> Result<(), Exhausted> {
        let before = held.by_key.get(&key).copied().unwrap_or(0);
        let after = before.saturating_add(units);
        if after > self.per_key {
            return Err(Exhausted::Key);
        }
        held.by_key.insert(key, after);
        Ok(())
    }

    fn remove(&self, key: Option<KeyId>, units: u64) {
        let mut held = self.lock();
        held.total = held.total.saturating_sub(units);
        if let Some(key) = key
            && let Some(by_key) = held.by_key.get_mut(&key)
        {
            *by_key = by_key.saturating_sub(units);
            if *by_key == 0 {
                held.by_key.remove(&key);
            }
        }
        drop(held);
        self.released.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Units taken from a quota; dropping it gives them back.
#[derive(Debug)]
pub(crate) struct Share {
    quota: Arc<Quota>,
    key: Option<KeyId>,
    units: u64,
}

impl Share {
    /// Takes more units.
    pub(crate) fn grow(&mut self, units: u64) -> Result<(), Exhausted> {
        self.quota.add(self.key, units)?;
        self.units += units;
        Ok(())
    }

    /// Counts the units for a key, once it is known.
    pub(crate) fn assign(&mut self, key: KeyId) -> Result<(), Exhausted> {
        if self.key.is_none() {
            self.quota.add_to_key(&mut self.quota.lock(), key, self.units)?;
            self.key = Some(key);
        }
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.quota.remove(self.key, self.units);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_holds_no_more_than_its_part() {
        let quota = Quota::new(4, 2);
        let (greedy, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let first = quota.try_take(Some(greedy), 1).unwrap();
        let mut unassigned = quota.try_take(None, 1).unwrap();
        unassigned.assign(greedy).unwrap();
        assert_eq!(quota.try_take(Some(greedy), 1).unwrap_err(), Exhausted::Key);
        let mut rest = quota.try_take(Some(other), 1).unwrap();
        rest.grow(1).unwrap();
        assert!(quota.is_exhausted());
        assert_eq!(quota.try_take(Some(Uuid::from_u128(3)), 1).unwrap_err(), Exhausted::Total);
        drop(first);
        assert!(quota.try_take(Some(greedy), 1).is_ok());
        drop((unassigned, rest));
        assert_eq!(quota.used(), 0);
        assert!(quota.lock().by_key.is_empty());
    }

    #[tokio::test]
    async fn waiting_ends_with_a_release_or_at_the_limit() {
        let quota = Quota::new(1, 1);
        let held = quota.try_take(None, 1).unwrap();
        assert_eq!(quota.take(None, 1, Duration::ZERO).await.unwrap_err(), Exhausted::Total);
        let waiting = tokio::spawn({
            let quota = Arc::clone(&quota);
            async move { quota.take(None, 1, Duration::from_secs(3600)).await.is_ok() }
        });
        tokio::task::yield_now().await;
        drop(held);
        assert!(waiting.await.unwrap());
    }
}
