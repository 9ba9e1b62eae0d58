//! Connections to Redis.

use std::time::Duration;

use redis::Client;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use secrecy::ExposeSecret as _;

use crate::config::QueueConfig;
use crate::error::QueueError;

// the library's default of 500 ms reports a short stall of Redis as a failure
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) fn client(config: &QueueConfig) -> Result<Client, QueueError> {
    Client::open(config.redis_url.expose_secret()).map_err(|_| QueueError::Url)
}

pub(crate) async fn connect(config: &QueueConfig) -> Result<ConnectionManager, QueueError> {
    // callers retry and log by themselves: retries in here would only delay the message
    let manager = ConnectionManagerConfig::new()
        .set_number_of_retries(1)
        .set_response_timeout(Some(RESPONSE_TIMEOUT))
        .set_connection_timeout(Some(CONNECTION_TIMEOUT));
    Ok(client(config)?.get_connection_manager_with_config(manager).await?)
}
