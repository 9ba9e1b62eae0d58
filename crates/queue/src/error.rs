//! The error of this crate.

use crate::fault::RedisFault;

/// Why the queue could not be used. Always retryable: no run depends on a single message.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// Redis does not answer, or rejects a command.
    #[error("redis: {0}")]
    Redis(#[from] redis::RedisError),
    /// apalis failed.
    #[error("apalis: {0}")]
    Apalis(String),
    /// What was sent to this channel or queue did not arrive.
    #[error("redis: nothing arrived through `{0}` within the time limit")]
    NotDelivered(String),
}

impl QueueError {
    /// The class of the error.
    #[must_use]
    pub fn fault(&self) -> RedisFault {
        match self {
            Self::Redis(error) => RedisFault::of(error),
            Self::Apalis(text) => RedisFault::of_text(text),
            Self::NotDelivered(_) => RedisFault::Other,
        }
    }

    /// The cause in words that stay the same from one attempt to the next, so that a loop can tell whether the cause changed.
    #[must_use]
    pub fn cause(&self) -> String {
        match self.fault() {
            RedisFault::Other => self.to_string(),
            fault => fault.to_string(),
        }
    }
}
