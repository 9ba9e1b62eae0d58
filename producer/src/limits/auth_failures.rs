//! Limits failed authentications per address.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::limits::network::client_network;

/// Maximum number of remembered addresses and of remembered keys.
const CAPACITY: usize = 10_000;
const MINUTE: Duration = Duration::from_secs(60);

/// Failed authentications by address, as a generic cell rate algorithm: one instant per address.
///
/// A request is refused before the database is asked. A crate such as governor can only be asked by counting, and here only failures
/// count. Keys that were valid before are never refused, so an attacker behind the proxy of others does not lock them out.
#[derive(Debug)]
pub(crate) struct AuthFailures {
    /// Time that one failure uses up; `None` = no limit.
    interval: Option<Duration>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The time at which all failures of an address are forgotten.
    forgotten_at: HashMap<IpAddr, Instant>,
    /// Hashes of keys that were valid when last used.
    valid_keys: HashSet<[u8; 32]>,
}

impl AuthFailures {
    /// Allows this many failures per minute and address; 0 = no limit.
    pub(crate) fn new(per_minute: u32) -> Self {
        Self { interval: (per_minute > 0).then(|| MINUTE / per_minute.max(1)), state: Mutex::default() }
    }

    /// Returns the time to wait if the address had too many failures.
    pub(crate) fn check(&self, address: IpAddr, secret: &str) -> Result<(), Duration> {
        self.check_at(Instant::now(), address, secret)
    }

    fn check_at(&self, now: Instant, address: IpAddr, secret: &str) -> Result<(), Duration> {
        let state = self.lock();
        let Some(forgotten_at) = state.forgotten_at.get(&client_network(address)) else {
            return Ok(());
        };
        let excess = forgotten_at.saturating_duration_since(now + MINUTE);
        if self.interval.is_none() || excess.is_zero() || state.valid_keys.contains(&hash(secret)) { Ok(()) } else { Err(excess) }
    }

    /// Records that a key of this address is unknown or revoked.
    pub(crate) fn record_failure(&self, address: IpAddr, secret: &str) {
        let Some(interval) = self.interval else {
            return;
        };
        let now = Instant::now();
        let mut state = self.lock();
        state.valid_keys.remove(&hash(secret));
        if state.forgotten_at.len() >= CAPACITY {
            state.forgotten_at.retain(|_, at| *at > now);
        }
        // with this many attacking addresses a limit per address has no effect
        if state.forgotten_at.len() < CAPACITY || state.forgotten_at.contains_key(&client_network(address)) {
            let forgotten_at = state.forgotten_at.entry(client_network(address)).or_insert(now);
            *forgotten_at = (*forgotten_at).max(now) + interval;
        }
    }

    /// Records that a key is valid.
    pub(crate) fn record_success(&self, secret: &str) {
        if self.interval.is_some() {
            let mut state = self.lock();
            if state.valid_keys.len() >= CAPACITY {
                state.valid_keys.clear();
            }
            state.valid_keys.insert(hash(secret));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_refused_after_its_failures_and_forgiven_later() {
        let failures = AuthFailures::new(3);
        let (attacker, other): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        failures.record_success("apz_valid");
        while failures.check(attacker, "apz_guess").is_ok() {
            failures.record_failure(attacker, "apz_guess");
            assert!(failures.lock().forgotten_at[&attacker] < Instant::now() + 3 * MINUTE);
        }
        let delay = failures.check(attacker, "apz_guess").unwrap_err();
        assert!(delay <= MINUTE / 3, "{delay:?}");
        assert!(failures.check(attacker, "apz_valid").is_ok());
        assert!(failures.check(other, "apz_guess").is_ok());
        assert!(failures.check_at(Instant::now() + delay, attacker, "apz_guess").is_ok());
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_together() {
        let failures = AuthFailures::new(1);
        for host in 0..2_u16 {
            failures.record_failure(IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, host]), "apz_guess");
        }
        assert!(failures.check("2001:db8::ffff".parse().unwrap(), "apz_guess").is_err());
        assert!(failures.check("2001:db8:0:1::1".parse().unwrap(), "apz_guess").is_ok());
    }

    #[test]
    fn zero_means_no_limit() {
        let failures = AuthFailures::new(0);
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        for _ in 0..100 {
            failures.record_failure(address, "apz_guess");
        }
        assert!(failures.check(address, "apz_guess").is_ok());
    }
}
