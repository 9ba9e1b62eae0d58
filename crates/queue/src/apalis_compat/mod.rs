//! Workarounds for apalis-redis, the transport of the wake-ups. None of them would be needed with plain Redis publish/subscribe.
//!
//! - [`RawText`]: an entry that cannot be decoded stops one worker after another inside apalis.
//! - [`depth`]: apalis stops for good near 8,000 entries that no worker has fetched, so the relay pauses long before.
//! - [`prune_finished`]: apalis keeps the data of finished entries for ever.
//! - [`reclaim_entries`]: an entry without data fails every worker that fetches it, and apalis hands it on from one to the next.
//! - [`ScopedConnection`]: apalis writes a key outside of the prefix, and one for each worker that it never removes.
//! - [`unique_worker_name`]: two workers of one name steal each other's registration, and a restart under the old name is refused.
//! - Every message gets a new task id: apalis silently drops an id that it has finished before.

mod cleanup;
mod codec;
mod registration;

use apalis_redis::Config;
use redis::aio::ConnectionManager;
use uuid::Uuid;

pub(crate) use cleanup::{ReclaimedEntries, prune_finished, reclaim_entries, remove_queue};
pub(crate) use codec::RawText;
pub(crate) use registration::ScopedConnection;

use crate::config::QueueConfig;
use crate::error::QueueError;

/// The Redis keys that apalis uses for the queue.
pub(crate) fn queue_keys(config: &QueueConfig) -> Config {
    Config::default().queue(config.queue_name()).emit_events(false)
}

/// A worker name that was never used before.
pub(crate) fn unique_worker_name(config: &QueueConfig) -> String {
    format!("{}-{}", config.prefix(), Uuid::new_v4())
}

/// Counts the entries that no worker has fetched yet.
pub(crate) async fn depth(conn: &mut ConnectionManager, keys: &Config) -> Result<u64, QueueError> {
    // a new entry is scheduled for now, and becomes active when a worker polls next
    let (scheduled, active): (u64, u64) =
        redis::pipe().cmd("ZCARD").arg(keys.scheduled_jobs_set()).cmd("LLEN").arg(keys.active_jobs_list()).query_async(conn).await?;
    Ok(scheduled + active)
}
