//! Publisher: the producer's side of the queue.

use apalis::prelude::TaskBuilder;
use apalis_redis::{Config, RedisStorage};
use futures::{SinkExt as _, stream};
use redis::aio::ConnectionManager;
use uuid::Uuid;

use crate::apalis_compat::{self, queue_keys};
use crate::config::QueueConfig;
use crate::connection::connect;
use crate::error::QueueError;
use crate::health;
use crate::message::RunMessage;

/// Publishes messages and wakes the workers.
pub struct Publisher {
    storage: RedisStorage<String>,
    conn: ConnectionManager,
    keys: Config,
    config: QueueConfig,
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Publisher {
    /// Connects to Redis. Later calls reconnect by themselves.
    ///
    /// # Errors
    /// When Redis cannot be reached now.
    pub async fn connect(config: &QueueConfig) -> Result<Self, QueueError> {
        let conn = connect(config).await?;
        let keys = queue_keys(config);
        let storage = RedisStorage::new(conn.clone()).with_config(keys.clone());
        Ok(Self { storage, conn, keys, config: config.clone() })
    }

    /// Publishes one message per run and wakes every listening worker.
    ///
    /// # Errors
    /// When Redis does not accept them. Some may have been published, which is harmless.
    pub async fn publish(&mut self, run_ids: &[Uuid]) -> Result<(), QueueError> {
        if run_ids.is_empty() {
            return Ok(());
        }
        // the sink takes raw bytes: no codec stands between the message and Redis
        let tasks: Vec<_> = run_ids.iter().map(|id| Ok(TaskBuilder::new(RunMessage::new(*id).encode().into_bytes()).build())).collect();
        let mut tasks = stream::iter(tasks);
        self.storage.send_all(&mut tasks).await.map_err(|error| QueueError::Apalis(error.to_string()))?;
        redis::cmd("PUBLISH").arg(self.config.wake_channel()).arg(run_ids.len()).query_async::<i64>(&mut self.conn).await?;
        Ok(())
    }

    /// Counts the entries that no worker has fetched yet. apalis stops for good near 8,000: stop publishing long before.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn depth(&mut self) -> Result<u64, QueueError> {
        apalis_compat::depth(&mut self.conn, &self.keys).await
    }

    /// Removes the data of finished entries, which apalis keeps for ever. Returns how many were removed.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn prune(&mut self) -> Result<usize, QueueError> {
        apalis_compat::prune_finished(&mut self.conn, &self.keys).await
    }

    /// Checks that Redis accepts what the relay does: a script that writes, and a publication. Wakes no worker.
    ///
    /// # Errors
    /// When it does not, for example because it is full or a replica. Such a Redis still answers [`Publisher::depth`].
    pub async fn check(&mut self) -> Result<(), QueueError> {
        health::check(&mut self.conn, &self.config).await
    }
}
