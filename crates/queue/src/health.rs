//! Health of Redis, judged by what the product does: a script that writes, and a publication. A full or read-only Redis still answers
//! reads.

use redis::Script;
use redis::aio::ConnectionManager;

use crate::config::QueueConfig;
use crate::error::QueueError;

/// Payload of a publication that wakes no worker.
pub(crate) const PROBE_PAYLOAD: &[u8] = b"probe";
/// Time in seconds after which the written key expires.
const PROBE_EXPIRY_SECONDS: u32 = 60;

/// Writes a key with a script, as every message is written.
pub(crate) async fn check_write(conn: &mut ConnectionManager, config: &QueueConfig) -> Result<(), QueueError> {
    let script = Script::new("return redis.call('SET', KEYS[1], '1', 'EX', ARGV[1])");
    Ok(script.key(config.probe_key()).arg(PROBE_EXPIRY_SECONDS).invoke_async::<()>(conn).await?)
}

/// Publishes on the channel of the wake-ups; listeners ignore the payload.
pub(crate) async fn check_publish(conn: &mut ConnectionManager, config: &QueueConfig) -> Result<(), QueueError> {
    redis::cmd("PUBLISH").arg(config.wake_channel()).arg(PROBE_PAYLOAD).query_async::<i64>(conn).await?;
    Ok(())
}

/// Checks that Redis accepts writes and publications.
pub(crate) async fn check(conn: &mut ConnectionManager, config: &QueueConfig) -> Result<(), QueueError> {
    check_write(conn, config).await?;
    check_publish(conn, config).await
}
