//! Settings of the limits on clients.

use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use aprendiz_config::Environment;

use crate::limits::pace::MinPace;
use crate::limits::trusted_proxies::TrustedProxies;

/// Size limit of the largest JSON body, that of a prediction. Each byte is counted twice, as received and as parsed.
const LARGEST_BODY_BYTES: u64 = 2 * (32 << 20);
/// A pebibyte: the limit of the size limits.
pub(crate) const MAX_BYTES: u64 = 1 << 50;
/// The limit of the limits on requests.
const MAX_REQUESTS: u64 = 100_000;
/// The limit of the limits on connections of clients.
const MAX_CONNECTIONS: usize = 1_000_000;
const HOUR: f64 = 3_600.0;
const DAY: f64 = 86_400.0;

/// Limits on clients. All of them are per server process.
#[derive(Debug, Clone)]
pub(crate) struct ClientLimits {
    /// `APRENDIZ_MAX_CLIENT_CONNECTIONS`, default 4096, 1 to 1000000: maximum number of open connections. An idle one is closed to make
    /// room.
    pub(crate) max_connections: usize,
    /// `APRENDIZ_MAX_CLIENT_CONNECTIONS_PER_ADDRESS`, default 1024, 1 to 1000000: the same for one address; trusted proxies are exempt.
    pub(crate) max_connections_per_address: usize,
    /// `APRENDIZ_HEADER_TIMEOUT_SECONDS`, default 30, 1 to 3600: time for the head of a request, from the connection or the previous
    /// response on.
    pub(crate) header_timeout: Duration,
    /// `APRENDIZ_CLIENT_IDLE_SECONDS`, default 60, 1 to 86400, and `APRENDIZ_MIN_CLIENT_BYTES_PER_SECOND`, default 1024, 1 to 1073741824:
    /// the slowest accepted transfer.
    pub(crate) min_pace: MinPace,
    /// `APRENDIZ_UPLOAD_TIMEOUT_SECONDS`, default 3600, 1 to 2592000: total time to receive an import, and then to wait for its turn.
    pub(crate) upload_timeout: Duration,
    /// `APRENDIZ_MAX_UPLOADS`, default 32, 1 to 100000: maximum number of imports that are received or executed.
    pub(crate) max_uploads: u64,
    /// `APRENDIZ_MAX_LONG_READS`, default 64, 1 to 100000: maximum number of downloads, exports and inspections.
    pub(crate) max_long_reads: u64,
    /// `APRENDIZ_MAX_EVENT_STREAMS`, default 2048, 1 to 100000: maximum number of event streams.
    pub(crate) max_event_streams: u64,
    /// `APRENDIZ_MAX_PREDICTIONS`, default 32, 1 to 100000: maximum number of prediction requests.
    pub(crate) max_predictions: u64,
    /// `APRENDIZ_KEY_SHARE`, default 0.5, 0.01 to 1: the part of each of these limits that a single API key may use.
    pub(crate) key_share: f64,
    /// `APRENDIZ_MAX_BODY_MEMORY_BYTES`, default 128 MiB, 64 MiB to 1 PiB: memory for bodies of JSON requests and responses.
    pub(crate) max_body_memory: u64,
    /// `APRENDIZ_MAX_SPOOL_BYTES`, default 16 GiB, or twice the size limit of an import, which is its minimum, to 1 PiB: total size of
    /// received imports on disk.
    pub(crate) max_spool: u64,
    /// `APRENDIZ_DEDICATED_CONNECTIONS`, default half of `APRENDIZ_DATABASE_CONNECTIONS`, at least 2; 2 to 1000: maximum number of database
    /// connections outside the pool, for long reads.
    pub(crate) dedicated_connections: u64,
    /// Number of imports that are executed at the same time: a quarter of the pool.
    pub(crate) concurrent_imports: usize,
    /// `APRENDIZ_STATEMENT_TIMEOUT_SECONDS`, default 600, 1 to 86400: time limit of a statement on these connections.
    pub(crate) statement_timeout: Duration,
    /// `APRENDIZ_LONG_READ_TIMEOUT_SECONDS`, default 14400, 1 to 2592000: total time of a download, export, inspection or erasure, to the last
    /// byte of its response.
    pub(crate) long_read_timeout: Duration,
    /// `APRENDIZ_ADMISSION_WAIT_SECONDS`, default 10, 1 to 3600: how long a request waits for such a connection, or for another
    /// verification.
    pub(crate) admission_wait: Duration,
    /// `APRENDIZ_TRUSTED_PROXIES`, comma-separated, default none: addresses or networks whose `X-Forwarded-For` is believed.
    pub(crate) trusted_proxies: TrustedProxies,
    /// `APRENDIZ_MAX_AUTH_FAILURES_PER_MINUTE`, default 60, 0 to 1000000: failed authentications per address and minute; 0 = no limit.
    pub(crate) max_auth_failures: u32,
    /// `APRENDIZ_MAX_REQUESTS_PER_MINUTE`, default 0, 0 to 1000000: requests per API key and minute; 0 = no limit.
    pub(crate) max_requests_per_minute: u32,
    /// `APRENDIZ_REQUEST_BURST`, default a tenth of it, 1 to 1000000: requests that a key may send at once.
    pub(crate) request_burst: u32,
}

impl ClientLimits {
    /// Reads the limits; `max_import_bytes` is the size limit of an import.
    pub(crate) fn read<F: Fn(&str) -> Option<String>>(env: &Environment<F>, max_import_bytes: u64) -> Result<Self> {
        let requests = |name: &str, default: u64| env.number(name, default, 1..=MAX_REQUESTS);
        let pool = env.database_connections()?;
        let max_spool =
            env.number("APRENDIZ_MAX_SPOOL_BYTES", max_import_bytes.saturating_mul(2).clamp(16 << 30, MAX_BYTES), 1..=MAX_BYTES)?;
        ensure!(
            max_spool >= max_import_bytes,
            "APRENDIZ_MAX_SPOOL_BYTES is `{max_spool}`: expected at least APRENDIZ_MAX_IMPORT_BYTES, {max_import_bytes}"
        );
        let max_requests_per_minute = env.number("APRENDIZ_MAX_REQUESTS_PER_MINUTE", 0, 0..=1_000_000)?;
        let trusted = env.text("APRENDIZ_TRUSTED_PROXIES").unwrap_or_default();
        let trusted_proxies = TrustedProxies::parse(&trusted).map_err(|entry| {
            anyhow!("APRENDIZ_TRUSTED_PROXIES contains `{entry}`: expected comma-separated addresses or networks such as 10.0.0.0/8")
        })?;
        Ok(Self {
            max_connections: env.number("APRENDIZ_MAX_CLIENT_CONNECTIONS", 4096, 1..=MAX_CONNECTIONS)?,
            max_connections_per_address: env.number("APRENDIZ_MAX_CLIENT_CONNECTIONS_PER_ADDRESS", 1024, 1..=MAX_CONNECTIONS)?,
            header_timeout: env.seconds("APRENDIZ_HEADER_TIMEOUT_SECONDS", 30.0, 1.0..=HOUR)?,
            min_pace: MinPace {
                idle: env.seconds("APRENDIZ_CLIENT_IDLE_SECONDS", 60.0, 1.0..=DAY)?,
                bytes_per_second: env.number("APRENDIZ_MIN_CLIENT_BYTES_PER_SECOND", 1024, 1..=1 << 30)?,
            },
            upload_timeout: env.seconds("APRENDIZ_UPLOAD_TIMEOUT_SECONDS", HOUR, 1.0..=30.0 * DAY)?,
            max_uploads: requests("APRENDIZ_MAX_UPLOADS", 32)?,
            max_long_reads: requests("APRENDIZ_MAX_LONG_READS", 64)?,
            max_event_streams: requests("APRENDIZ_MAX_EVENT_STREAMS", 2048)?,
            max_predictions: requests("APRENDIZ_MAX_PREDICTIONS", 32)?,
            key_share: env.decimal("APRENDIZ_KEY_SHARE", 0.5, 0.01..=1.0)?,
            max_body_memory: env.number("APRENDIZ_MAX_BODY_MEMORY_BYTES", 128 << 20, LARGEST_BODY_BYTES..=MAX_BYTES)?,
            max_spool,
            dedicated_connections: env.number("APRENDIZ_DEDICATED_CONNECTIONS", u64::from(pool / 2).max(2), 2..=1_000)?,
            concurrent_imports: usize::try_from(pool / 4)?.max(1),
            statement_timeout: env.seconds("APRENDIZ_STATEMENT_TIMEOUT_SECONDS", 600.0, 1.0..=DAY)?,
            long_read_timeout: env.seconds("APRENDIZ_LONG_READ_TIMEOUT_SECONDS", 4.0 * HOUR, 1.0..=30.0 * DAY)?,
            admission_wait: env.seconds("APRENDIZ_ADMISSION_WAIT_SECONDS", 10.0, 1.0..=HOUR)?,
            trusted_proxies,
            max_auth_failures: env.number("APRENDIZ_MAX_AUTH_FAILURES_PER_MINUTE", 60, 0..=1_000_000)?,
            max_requests_per_minute,
            request_burst: env.number("APRENDIZ_REQUEST_BURST", (max_requests_per_minute / 10).max(1), 1..=1_000_000)?,
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
            ("APRENDIZ_KEY_SHARE", "nan"),
            ("APRENDIZ_KEY_SHARE", "0"),
            ("APRENDIZ_KEY_SHARE", "2"),
            ("APRENDIZ_MAX_SPOOL_BYTES", "1000"),
            ("APRENDIZ_TRUSTED_PROXIES", "10.0.0.1, proxy"),
        ] {
            let error = read(&[(name, value)]).unwrap_err().to_string();
            assert!(error.starts_with(name), "{error}");
        }
    }

    /// Smallest and largest value of every number, and the values next to them.
    #[test]
    fn every_number_has_a_range() {
        for (name, min, max) in [
            ("APRENDIZ_MAX_CLIENT_CONNECTIONS", 1, 1_000_000),
            ("APRENDIZ_MAX_CLIENT_CONNECTIONS_PER_ADDRESS", 1, 1_000_000),
            ("APRENDIZ_HEADER_TIMEOUT_SECONDS", 1, 3_600),
            ("APRENDIZ_CLIENT_IDLE_SECONDS", 1, 86_400),
            ("APRENDIZ_MIN_CLIENT_BYTES_PER_SECOND", 1, 1 << 30),
            ("APRENDIZ_UPLOAD_TIMEOUT_SECONDS", 1, 2_592_000),
            ("APRENDIZ_MAX_UPLOADS", 1, 100_000),
            ("APRENDIZ_MAX_LONG_READS", 1, 100_000),
            ("APRENDIZ_MAX_EVENT_STREAMS", 1, 100_000),
            ("APRENDIZ_MAX_PREDICTIONS", 1, 100_000),
            ("APRENDIZ_MAX_BODY_MEMORY_BYTES", 64 << 20, 1 << 50),
            ("APRENDIZ_DEDICATED_CONNECTIONS", 2, 1_000),
            ("APRENDIZ_STATEMENT_TIMEOUT_SECONDS", 1, 86_400),
            ("APRENDIZ_LONG_READ_TIMEOUT_SECONDS", 1, 2_592_000),
            ("APRENDIZ_ADMISSION_WAIT_SECONDS", 1, 3_600),
            ("APRENDIZ_MAX_AUTH_FAILURES_PER_MINUTE", 0, 1_000_000),
            ("APRENDIZ_MAX_REQUESTS_PER_MINUTE", 0, 1_000_000),
            ("APRENDIZ_REQUEST_BURST", 1, 1_000_000),
        ] {
            let read = |value: i64| read(&[(name, &value.to_string())]);
            assert!(read(min).is_ok() && read(max).is_ok(), "{name}");
            for value in [min - 1, max + 1] {
                let error = read(value).unwrap_err().to_string();
                assert!(error.starts_with(&format!("{name} is `{value}`: expected ")), "{error}");
                assert!(error.ends_with(&format!(" from {min} to {max}")), "{error}");
            }
        }
    }

    #[test]
    fn defaults_follow_the_pool_and_the_size_of_an_import() {
        let limits = read(&[("APRENDIZ_DATABASE_CONNECTIONS", "40")]).unwrap();
        assert_eq!((limits.dedicated_connections, limits.concurrent_imports, limits.max_spool), (20, 10, 16 << 30));
        assert_eq!((limits.per_key(3, 1), limits.per_key(1, 1), limits.per_key(10, 8)), (2, 1, 8));
    }
}
