//! Whether Redis answers, for probes. The relay has a connection of its own.

use std::time::Duration;

use queue::{Announcer, QueueConfig, QueueError};
use tokio::sync::Mutex;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(2);

/// A connection that is made when first asked for, and again after a failure.
pub(crate) struct RedisProbe {
    config: QueueConfig,
    connection: Mutex<Option<Announcer>>,
}

impl RedisProbe {
    pub(crate) fn new(config: QueueConfig) -> Self {
        Self { config, connection: Mutex::new(None) }
    }

    /// Entries that wait in Redis, or in words why it does not answer.
    pub(crate) async fn depth(&self) -> Result<u64, String> {
        let asked = async {
            let mut connection = self.connection.lock().await;
            let mut announcer = match connection.take() {
                Some(announcer) => announcer,
                None => Announcer::connect(&self.config).await?,
            };
            let depth = announcer.depth().await?;
            *connection = Some(announcer);
            Ok::<_, QueueError>(depth)
        };
        match timeout(PATIENCE, asked).await {
            Ok(Ok(depth)) => Ok(depth),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
        }
    }
}
