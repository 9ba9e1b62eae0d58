//! The error of this crate.

/// Why the queue could not be used. Always retryable: no run depends on a single message.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The Redis URL cannot be parsed.
    #[error("invalid Redis URL (not shown, it may contain a password): expected redis://[user:password@]host:port[/db]")]
    Url,
    /// Redis does not answer, or rejects a command.
    #[error("redis: {0}")]
    Redis(#[from] redis::RedisError),
    /// apalis failed.
    #[error("apalis: {0}")]
    Apalis(String),
}
