//! What becomes of the entries that a failed apalis worker had fetched.
//!
//! apalis hands them to another worker when their owner has been silent for long enough. An entry whose data is gone (evicted, or
//! never written) makes every worker fail that fetches it, so it would go round for ever, and hold up those fetched with it. But
//! an entry only wakes: whoever listens anew looks into Postgres anyway. So a worker that failed forgets what it had fetched.

use apalis_redis::Config;

use crate::config::QueueConfig;
use crate::connection::connect;
use crate::error::QueueError;

/// What was forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Forgotten {
    /// Entries in all.
    pub(crate) entries: usize,
    /// Those of them without data.
    pub(crate) without_data: usize,
}

/// Removes a worker that has failed, and the entries that it had fetched.
///
/// # Errors
/// When Redis does not answer.
pub(crate) async fn forget_worker(config: &QueueConfig, worker: &str) -> Result<Forgotten, QueueError> {
    let keys = Config::default().queue(config.queue_name());
    let mut conn = connect(config).await?;
    let inflight = format!("{}:{worker}", keys.inflight_jobs_set());
    let ids: Vec<String> = redis::cmd("SMEMBERS").arg(&inflight).query_async(&mut conn).await?;
    let mut pipe = redis::pipe();
    pipe.atomic();
    let mut with_data = 0;
    if !ids.is_empty() {
        let meta: Vec<String> = ids.iter().map(|id| format!("{}:{id}", keys.job_meta_hash())).collect();
        pipe.cmd("HDEL").arg(keys.job_data_hash()).arg(&ids);
        pipe.cmd("DEL").arg(meta).ignore().cmd("DEL").arg(&inflight).ignore();
        pipe.cmd("ZREM").arg(keys.workers_set()).arg(worker).ignore();
        (with_data,) = pipe.query_async(&mut conn).await?;
    } else {
        pipe.cmd("ZREM").arg(keys.workers_set()).arg(worker).ignore().exec_async(&mut conn).await?;
    }
    Ok(Forgotten { entries: ids.len(), without_data: ids.len() - with_data })
}
