//! Removal of entries that apalis leaves in Redis.
//!
//! apalis hands the entries of a silent worker to another one. An entry whose data is gone (evicted, or never written) fails every
//! worker that fetches it, and holds up those fetched with it. An entry only wakes, and a listener that connects again looks into
//! Postgres anyway, so the entries of a failed worker can simply be deleted.

use apalis_redis::Config;
use redis::aio::ConnectionManager;

use crate::error::QueueError;

/// Entries that one call of [`prune_finished`] removes at most from each set.
const PRUNE_BATCH: usize = 1_000;

/// Entries that a failed worker had fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReclaimedEntries {
    /// All of them.
    pub(crate) entries: usize,
    /// Those without data.
    pub(crate) without_data: usize,
}

/// Removes the data of finished entries. Returns how many were removed.
pub(crate) async fn prune_finished(conn: &mut ConnectionManager, keys: &Config) -> Result<usize, QueueError> {
    let mut removed = 0;
    for set in [keys.done_jobs_set(), keys.dead_jobs_set()] {
        let ids: Vec<String> = redis::cmd("SRANDMEMBER").arg(&set).arg(PRUNE_BATCH).query_async(conn).await?;
        if ids.is_empty() {
            continue;
        }
        redis::pipe()
            .atomic()
            .cmd("HDEL")
            .arg(keys.job_data_hash())
            .arg(&ids)
            .ignore()
            .cmd("DEL")
            .arg(meta_keys(keys, &ids))
            .ignore()
            .cmd("SREM")
            .arg(&set)
            .arg(&ids)
            .ignore()
            .exec_async(conn)
            .await?;
        removed += ids.len();
    }
    Ok(removed)
}

/// Removes a failed worker and the entries that it had fetched.
pub(crate) async fn reclaim_entries(conn: &mut ConnectionManager, keys: &Config, worker: &str) -> Result<ReclaimedEntries, QueueError> {
    let inflight = format!("{}:{worker}", keys.inflight_jobs_set());
    let ids: Vec<String> = redis::cmd("SMEMBERS").arg(&inflight).query_async(conn).await?;
    let mut pipe = redis::pipe();
    pipe.atomic();
    let mut with_data = 0;
    if ids.is_empty() {
        pipe.cmd("ZREM").arg(keys.workers_set()).arg(worker).ignore().exec_async(conn).await?;
    } else {
        pipe.cmd("HDEL").arg(keys.job_data_hash()).arg(&ids);
        pipe.cmd("DEL").arg(meta_keys(keys, &ids)).ignore().cmd("DEL").arg(&inflight).ignore();
        pipe.cmd("ZREM").arg(keys.workers_set()).arg(worker).ignore();
        (with_data,) = pipe.query_async(conn).await?;
    }
    Ok(ReclaimedEntries { entries: ids.len(), without_data: ids.len() - with_data })
}

/// Removes a whole queue. No worker may use it.
pub(crate) async fn remove_queue(conn: &mut ConnectionManager, keys: &Config) -> Result<(), QueueError> {
    let ids: Vec<String> = redis::cmd("ZRANGEBYSCORE").arg(keys.scheduled_jobs_set()).arg("-inf").arg("+inf").query_async(conn).await?;
    let active: Vec<String> = redis::cmd("LRANGE").arg(keys.active_jobs_list()).arg(0).arg(-1).query_async(conn).await?;
    redis::cmd("DEL")
        .arg(keys.workers_set())
        .arg(keys.scheduled_jobs_set())
        .arg(keys.active_jobs_list())
        .arg(keys.signal_list())
        .arg(keys.job_data_hash())
        .arg(keys.done_jobs_set())
        .arg(keys.dead_jobs_set())
        .arg(meta_keys(keys, &[ids, active].concat()))
        .exec_async(conn)
        .await?;
    Ok(())
}

fn meta_keys(keys: &Config, ids: &[String]) -> Vec<String> {
    ids.iter().map(|id| format!("{}:{id}", keys.job_meta_hash())).collect()
}
