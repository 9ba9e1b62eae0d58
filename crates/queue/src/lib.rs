//! Wake-ups from the producer to the workers, through apalis on Redis.
//!
//! A message only wakes a worker. Postgres holds the work and its owner: a lost message is published again by the reaper, a
//! duplicate finds nothing to claim. Only this crate knows apalis.

mod apalis_compat;
mod config;
mod connection;
mod diagnosis;
mod error;
mod fault;
mod health;
mod listener;
mod message;
mod publisher;

pub use config::{ClientCertificate, QueueConfig, RedisUrlError};
pub use diagnosis::{Diagnosis, QueueUse, diagnose};
pub use error::QueueError;
pub use fault::RedisFault;
pub use listener::{QueueNotification, listen};
pub use message::RunMessage;
pub use publisher::Publisher;
