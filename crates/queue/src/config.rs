//! Configuration of the queue: the Redis URL and the key prefix.

use secrecy::SecretString;

/// How to reach Redis, and which keys belong to this installation.
#[derive(Debug, Clone)]
pub struct QueueConfig {
    /// `redis://` or `rediss://` URL; may contain the password.
    pub redis_url: SecretString,
    /// Prefix of every key and channel. Two installations on one Redis need two prefixes.
    pub prefix: String,
}

impl QueueConfig {
    /// Name of the apalis queue.
    pub(crate) fn queue_name(&self) -> String {
        format!("{}:runs", self.prefix)
    }

    /// Channel that wakes the workers: apalis alone would look only once per polling interval.
    pub(crate) fn wake_channel(&self) -> String {
        format!("{}:wake", self.prefix)
    }
}
