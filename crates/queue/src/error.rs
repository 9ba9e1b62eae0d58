//! The error of this crate.

/// Why the queue could not be used. Always worth trying again: no run depends on one message.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The URL is not one of Redis.
    #[error(
        "the Redis URL cannot be used (its text is not shown, it may hold a password): expected redis://[user:password@]host:port[/db]"
    )]
    Url,
    /// Redis does not answer or refuses.
    #[error("redis: {0}")]
    Redis(#[from] redis::RedisError),
    /// apalis could not push.
    #[error("announcing through apalis: {0}")]
    Push(String),
}
