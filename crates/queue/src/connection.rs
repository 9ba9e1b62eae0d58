//! Connections to Redis.

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};

use crate::config::QueueConfig;
use crate::error::QueueError;

// the library's default of 500 ms reports a short stall of Redis as a failure
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) async fn connect(config: &QueueConfig) -> Result<ConnectionManager, QueueError> {
    // callers retry and log by themselves: retries in here would only delay the message
    let manager = ConnectionManagerConfig::new()
        .set_number_of_retries(1)
        .set_response_timeout(Some(RESPONSE_TIMEOUT))
        .set_connection_timeout(Some(CONNECTION_TIMEOUT));
    Ok(config.client().get_connection_manager_with_config(manager).await?)
}

/// Subscribes to the channel of the wake-ups.
pub(crate) async fn subscribe(config: &QueueConfig) -> Result<redis::aio::PubSub, QueueError> {
    let mut subscription = config.client().get_async_pubsub().await?;
    subscription.subscribe(config.wake_channel()).await?;
    Ok(subscription)
}
