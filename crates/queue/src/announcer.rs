//! The producer's side: announces runs.

use apalis::prelude::TaskBuilder;
use apalis_redis::{Config, RedisStorage};
use futures::{SinkExt as _, stream};
use redis::aio::ConnectionManager;
use uuid::Uuid;

use crate::config::QueueConfig;
use crate::connection::connect;
use crate::error::QueueError;
use crate::message::RunMessage;

/// How many finished entries one [`Announcer::tidy`] removes at most.
const TIDY_BATCH: usize = 1_000;

/// Pushes messages and wakes the workers.
pub struct Announcer {
    storage: RedisStorage<String>,
    conn: ConnectionManager,
    keys: Config,
    wake_channel: String,
}

impl std::fmt::Debug for Announcer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Announcer").field("wake_channel", &self.wake_channel).finish_non_exhaustive()
    }
}

impl Announcer {
    /// Connects; later calls reconnect by themselves.
    ///
    /// # Errors
    /// When Redis cannot be reached now.
    pub async fn connect(config: &QueueConfig) -> Result<Self, QueueError> {
        let conn = connect(config).await?;
        let keys = Config::default().queue(config.queue_name()).emit_events(false);
        let storage = RedisStorage::new(conn.clone()).with_config(keys.clone());
        Ok(Self { storage, conn, keys, wake_channel: config.wake_channel() })
    }

    /// Announces runs, each under a fresh task id: apalis silently drops an id that it has finished before.
    ///
    /// # Errors
    /// When Redis does not take them; some may have been announced, which does no harm.
    pub async fn announce(&mut self, run_ids: &[Uuid]) -> Result<(), QueueError> {
        if run_ids.is_empty() {
            return Ok(());
        }
        // the sink takes raw bytes: no codec stands between the message and Redis
        let tasks: Vec<_> = run_ids.iter().map(|id| Ok(TaskBuilder::new(RunMessage::new(*id).encode().into_bytes()).build())).collect();
        let mut tasks = stream::iter(tasks);
        self.storage.send_all(&mut tasks).await.map_err(|error| QueueError::Push(error.to_string()))?;
        redis::cmd("PUBLISH").arg(&self.wake_channel).arg(run_ids.len()).query_async::<i64>(&mut self.conn).await?;
        Ok(())
    }

    /// Entries that no worker has fetched yet. apalis wedges for good near 8,000: the relay stops long before.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn depth(&mut self) -> Result<u64, QueueError> {
        // a pushed entry is scheduled for now, and becomes active when a worker next looks
        let (scheduled, active): (u64, u64) = redis::pipe()
            .cmd("ZCARD")
            .arg(self.keys.scheduled_jobs_set())
            .cmd("LLEN")
            .arg(self.keys.active_jobs_list())
            .query_async(&mut self.conn)
            .await?;
        Ok(scheduled + active)
    }

    /// Removes what finished entries leave behind, which apalis keeps for ever. Returns how many were removed.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn tidy(&mut self) -> Result<usize, QueueError> {
        let mut removed = 0;
        for set in [self.keys.done_jobs_set(), self.keys.dead_jobs_set()] {
            let ids: Vec<String> = redis::cmd("SRANDMEMBER").arg(&set).arg(TIDY_BATCH).query_async(&mut self.conn).await?;
            if ids.is_empty() {
                continue;
            }
            let meta: Vec<String> = ids.iter().map(|id| format!("{}:{id}", self.keys.job_meta_hash())).collect();
            redis::pipe()
                .atomic()
                .cmd("HDEL")
                .arg(self.keys.job_data_hash())
                .arg(&ids)
                .ignore()
                .cmd("DEL")
                .arg(meta)
                .ignore()
                .cmd("SREM")
                .arg(&set)
                .arg(&ids)
                .ignore()
                .exec_async(&mut self.conn)
                .await?;
            removed += ids.len();
        }
        Ok(removed)
    }

    /// Whether Redis answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&mut self) -> Result<(), QueueError> {
        Ok(redis::cmd("PING").exec_async(&mut self.conn).await?)
    }
}
