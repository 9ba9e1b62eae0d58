//! Probes whether Redis responds. Separate from the connection of the relay.

use std::time::Duration;

use aprendiz_queue::{Publisher, QueueConfig, QueueError};
use tokio::sync::Mutex;
use tokio::time::timeout;

const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// A connection opened on first use, and again after a failure.
pub(crate) struct RedisProbe {
    config: QueueConfig,
    connection: Mutex<Option<Publisher>>,
}

impl RedisProbe {
    pub(crate) fn new(config: QueueConfig) -> Self {
        Self { config, connection: Mutex::new(None) }
    }

    /// Number of entries waiting in Redis, or why Redis does not respond.
    pub(crate) async fn depth(&self) -> Result<u64, String> {
        let read_depth = async {
            let mut connection = self.connection.lock().await;
            let mut publisher = match connection.take() {
                Some(publisher) => publisher,
                None => Publisher::connect(&self.config).await?,
            };
            let depth = publisher.depth().await?;
            *connection = Some(publisher);
            Ok::<_, QueueError>(depth)
        };
        match timeout(PROBE_TIMEOUT, read_depth).await {
            Ok(Ok(depth)) => Ok(depth),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no response within {} s", PROBE_TIMEOUT.as_secs())),
        }
    }
}
