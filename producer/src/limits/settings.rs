//! Settings of the limits on clients.

use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use aprendiz_config::Environment;

use crate::limits::pace::MinPace;
use crate::limits::trusted_proxies::TrustedProxies;

/// Size limit of the largest JSON body, that of a prediction. Each byte is counted twice, as received and as parsed.
const LARGEST_BODY_BYTES: u64 = 2 * (32 << 20);
/// Maximum of a setting in seconds, 30 days.
const MAX_SECONDS: u64 = 30 * 24 * 3600;

/// Limits on clients. All of them are per server process.
#[derive(Debug, Clone)]
pub(crate) struct ClientLimits {
    /// `APRENDIZ_MAX_CLIENT_CONNECTIONS`, default 4096: maximum number of open connections. An idle one is closed to make room.
    pub(crate) max_connections: usize,
    /// `APRENDIZ_MAX_CLIENT_CONNECTIONS_PER_ADDRESS`, default 1024: the same for one address; trusted proxies are exempt.
    pub(crate) max_connections_per_address: usize,
    /// `APRENDIZ_HEADER_TIMEOUT_SECONDS`, default 30: time for the head of a request, from the connection or the previous response on.
    pub(crate) header_timeout: Duration,
    /// `APRENDIZ_CLIENT_IDLE_SECONDS`, default 60, and `APRENDIZ_MIN_CLIENT_BYTES_PER_SECOND`, default 1024: the slowest accepted
    /// transfer.
    pub(crate) min_pace: MinPace,
    /// `APRENDIZ_UPLOAD_TIMEOUT_SECONDS`, default 3600: total time to receive an import, and then to wait for its turn.
    pub(crate) upload_timeout: Duration,
    /// `APRENDIZ_MAX_UPLOADS`, default 32: maximum number of imports that are received or executed.
    pub(crate) max_uploads: u64,
    /// `APRENDIZ_MAX_LONG_READS`, default 64: maximum number of downloads, exports and inspections.
    pub(crate) max_long_reads: u64,
    /// `APRENDIZ_MAX_EVENT_STREAMS`, default 2048: maximum number of event streams.
    pub(crate) max_event_streams: u64,
    /// `APRENDIZ_MAX_PREDICTIONS`, default 32: maximum number of prediction requests.
    pub(crate) max_predictions: u64,
    /// `APRENDIZ_KEY_SHARE`, default 0.5: the part of each of these limits that a single API key may use.
    pub(crate) key_share: f64,
    /// `APRENDIZ_MAX_BODY_MEMORY_BYTES`, default 192 MiB: memory for bodies of JSON requests and responses.
    pub(crate) max_body_memory: u64,
    /// `APRENDIZ_MAX_SPOOL_BYTES`, default 16 GiB, or twice the size limit of an import: total size of received imports on disk.
    pub(crate) max_spool: u64,
    /// `APRENDIZ_DEDICATED_CONNECTIONS`, default half of `APRENDIZ_DATABASE_CONNECTIONS`, at least 2: maximum number of database
    /// connections outside the pool, for long reads.
    pub(crate) dedicated_connections: u64,
    /// Number of imports that are executed at the same time: a quarter of the pool.
    pub(crate) concurrent_imports: usize,
    /// `APRENDIZ_STATEMENT_TIMEOUT_SECONDS`, default 600: time limit of a statement on these connections.
    pub(crate) statement_timeout: Duration,
    /// `APRENDIZ_ADMISSION_WAIT_SECONDS`, default 10: how long a request waits for such a connection, or for another verification.
    pub(crate) admission_wait: Duration,
    /// `APRENDIZ_TRUSTED_PROXIES`, comma-separated, default none: addresses or networks whose `X-Forwarded-For` is believed.
    pub(crate) trusted_proxies: TrustedProxies,
    /// `APRENDIZ_MAX_AUTH_FAILURES_PER_MINUTE`, default 60: failed authentications per address and minute; 0 = no limit.
    pub(crate) max_auth_failures: u32,
}

impl ClientLimits {
    /// Reads the limits; `max_import_bytes` is the size limit of an import.
    pub(crate) fn read<F: Fn(&str) -> Option<String>>(env: &Environment<F>, max_import_bytes: u64) -> Result<Self> {
        let seconds = |name: &str, default: u64| anyhow::Ok(Duration::from_secs(number(env, name, default, MAX_SECONDS)?));
        let count = |name: &str, default: u64| number(env, name, default, 1_000_000);
        let as_size = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        let pool: u64 = env.parsed("APRENDIZ_DATABASE_CONNECTIONS", 16, "an integer of at least 2")?;
        let key_share: f64 = env.parsed("APRENDIZ_KEY_SHARE", 0.5, "a fraction above 0 and up to 1")?;
        ensure!(key_share > 0.0 && key_share <= 1.0, "APRENDIZ_KEY_SHARE is {key_share}: expected a fraction above 0 and up to 1");
        let max_body_memory = number(env, "APRENDIZ_MAX_BODY_MEMORY_BYTES", 192 << 20, u64::MAX)?;
        ensure!(
            max_body_memory >= LARGEST_BODY_BYTES,
            "APRENDIZ_MAX_BODY_MEMORY_BYTES is {max_body_memory}: expected at least {LARGEST_BODY_BYTES}, for one prediction"
        );
        let max_spool = number(env, "APRENDIZ_MAX_SPOOL_BYTES", max_import_bytes.saturating_mul(2).max(16 << 30), u64::MAX)?;
        ensure!(
            max_spool >= max_import_bytes,
            "APRENDIZ_MAX_SPOOL_BYTES is {max_spool}: expected at least APRENDIZ_MAX_IMPORT_BYTES, {max_import_bytes}"
        );
        let dedicated_connections = number(env, "APRENDIZ_DEDICATED_CONNECTIONS", (pool / 2).max(2), 10_000)?;
        ensure!(dedicated_connections >= 2, "APRENDIZ_DEDICATED_CONNECTIONS is {dedicated_connections}: expected at least 2");
        let trusted = env.text("APRENDIZ_TRUSTED_PROXIES").unwrap_or_default();
        let trusted_proxies = TrustedProxies::parse(&trusted).map_err(|entry| {
            anyhow!("APRENDIZ_TRUSTED_PROXIES contains `{entry}`: expected comma-separated addresses or networks such as 10.0.0.0/8")
        })?;
        Ok(Self {
            max_connections: as_size(count("APRENDIZ_MAX_CLIENT_CONNECTIONS", 4096)?),
            max_connections_per_address: as_size(count("APRENDIZ_MAX_CLIENT_CONNECTIONS_PER_ADDRESS", 1024)?),
            header_timeout: seconds("APRENDIZ_HEADER_TIMEOUT_SECONDS", 30)?,
            min_pace: MinPace {
                idle: seconds("APRENDIZ_CLIENT_IDLE_SECONDS", 60)?,
                bytes_per_second: number(env, "APRENDIZ_MIN_CLIENT_BYTES_PER_SECOND", 1024, u64::MAX)?,
            },
            upload_timeout: seconds("APRENDIZ_UPLOAD_TIMEOUT_SECONDS", 3600)?,
            max_uploads: count("APRENDIZ_MAX_UPLOADS", 32)?,
            max_long_reads: count("APRENDIZ_MAX_LONG_READS", 64)?,
            max_event_streams: count("APRENDIZ_MAX_EVENT_STREAMS", 2048)?,
            max_predictions: count("APRENDIZ_MAX_PREDICTIONS", 32)?,
            key_share,
            max_body_memory,
            max_spool,
            dedicated_connections,
            concurrent_imports: as_size((pool / 4).max(1)),
            statement_timeout: seconds("APRENDIZ_STATEMENT_TIMEOUT_SECONDS", 600)?,
            admission_wait: seconds("APRENDIZ_ADMISSION_WAIT_SECONDS", 10)?,
            trusted_proxies,
            max_auth_failures: env.parsed("APRENDIZ_MAX_AUTH_FAILURES_PER_MINUTE", 60, "a number of failures; 0 for no limit")?,
        })
    }

    /// The part of a limit that one API key may use, but at least `min`.
    pub(crate) fn per_key(&self, limit: u64, min: u64) -> u64 {
        let share = (limit as f64 * self.key_share).ceil() as u64;
        share.max(min).min(limit)
    }

    /// The part of the memory for bodies that one API key may use: at least one body of the maximum size.
    pub(crate) fn body_memory_per_key(&self) -> u64 {
        self.per_key(self.max_body_memory, LARGEST_BODY_BYTES)
    }
}

/// Reads a whole number of at least 1.
fn number<F: Fn(&str) -> Option<String>>(env: &Environment<F>, name: &str, default: u64, max: u64) -> Result<u64> {
    let expected = if max == u64::MAX { "a whole number of at least 1".to_owned() } else { format!("a whole number from 1 to {max}") };
    let number = env.parsed(name, default, &expected)?;
    ensure!((1..=max).contains(&number), "{name} is {number}: expected {expected}");
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<ClientLimits> {
        let env = Environment::from_fn(|name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()));
        ClientLimits::read(&env, 4 << 30)
    }

    #[test]
    fn invalid_values_name_the_variable() {
        for (name, value) in [
            ("APRENDIZ_MAX_CLIENT_CONNECTIONS", "0"),
            ("APRENDIZ_CLIENT_IDLE_SECONDS", "99999999999"),
            ("APRENDIZ_KEY_SHARE", "nan"),
            ("APRENDIZ_KEY_SHARE", "2"),
            ("APRENDIZ_MAX_BODY_MEMORY_BYTES", "1000"),
            ("APRENDIZ_MAX_SPOOL_BYTES", "1000"),
            ("APRENDIZ_DEDICATED_CONNECTIONS", "1"),
            ("APRENDIZ_TRUSTED_PROXIES", "10.0.0.1, proxy"),
        ] {
            let error = read(&[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn defaults_follow_the_pool_and_the_size_of_an_import() {
        let limits = read(&[("APRENDIZ_DATABASE_CONNECTIONS", "40")]).unwrap();
        assert_eq!((limits.dedicated_connections, limits.concurrent_imports, limits.max_spool), (20, 10, 16 << 30));
        assert_eq!((limits.per_key(3, 1), limits.per_key(1, 1), limits.per_key(10, 8)), (2, 1, 8));
    }
}
