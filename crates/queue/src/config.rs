//! Where the queue is.

use secrecy::SecretString;

/// How to reach Redis, and which keys are ours.
#[derive(Debug, Clone)]
pub struct QueueConfig {
    /// `redis://` or `rediss://` URL; holds the password.
    pub redis_url: SecretString,
    /// Prefix of every key and channel. Two installations on one Redis need two prefixes.
    pub prefix: String,
}

impl QueueConfig {
    /// Name of the apalis queue.
    pub(crate) fn queue_name(&self) -> String {
        format!("{}:runs", self.prefix)
    }

    /// Channel on which workers are woken: apalis alone would look only once per polling interval.
    pub(crate) fn wake_channel(&self) -> String {
        format!("{}:wake", self.prefix)
    }
}
