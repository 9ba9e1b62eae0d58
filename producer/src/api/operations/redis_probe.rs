//! Probes whether Redis does what the relay needs. Separate from the connection of the relay.

use std::time::Duration;

use aprendiz_queue::{Publisher, QueueConfig, QueueError, RedisFault};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// Time for which a result is reused: a probe writes to Redis, and anybody may request `/readyz`.
const CACHE_TIME: Duration = Duration::from_millis(500);

/// State of Redis at a probe.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RedisStatus {
    /// Number of entries that wait in Redis; `None` if it did not respond.
    pub(crate) depth: Option<u64>,
    /// Why Redis cannot be used, although it may respond.
    pub(crate) fault: Option<RedisFault>,
}

/// A connection opened on first use, and again after a failure.
pub(crate) struct RedisProbe {
    config: QueueConfig,
    state: Mutex<ProbeState>,
}

#[derive(Default)]
struct ProbeState {
    publisher: Option<Publisher>,
    last: Option<(Instant, RedisStatus)>,
}

impl RedisProbe {
    pub(crate) fn new(config: QueueConfig) -> Self {
        Self { config, state: Mutex::default() }
    }

    /// What an operator can do about a fault.
    pub(crate) fn advice(&self, fault: RedisFault) -> &'static str {
        self.config.advice(fault)
    }

    /// Name of the user in Redis, if one is configured.
    pub(crate) fn user(&self) -> Option<&str> {
        self.config.user()
    }

    /// Writes to Redis and reads the number of waiting entries. Concurrent callers share one probe.
    pub(crate) async fn status(&self) -> RedisStatus {
        let mut state = self.state.lock().await;
        if let Some((at, status)) = state.last
            && at.elapsed() < CACHE_TIME
        {
            return status;
        }
        let mut status = RedisStatus::default();
        let publisher = state.publisher.take();
        match timeout(PROBE_TIMEOUT, self.probe(publisher, &mut status.depth)).await {
            Ok(Ok(publisher)) => state.publisher = Some(publisher),
            Ok(Err(error)) => status.fault = Some(error.fault()),
            Err(_) => status.fault = Some(RedisFault::Unreachable),
        }
        state.last = Some((Instant::now(), status));
        status
    }

    async fn probe(&self, publisher: Option<Publisher>, depth: &mut Option<u64>) -> Result<Publisher, QueueError> {
        let mut publisher = match publisher {
            Some(publisher) => publisher,
            None => Publisher::connect(&self.config).await?,
        };
        *depth = Some(publisher.depth().await?);
        publisher.check().await?;
        Ok(publisher)
    }
}
