//! The doorbell: one message type, one queue, announced by the producer and heard by workers through apalis on Redis.
//!
//! A message only wakes a worker. What there is to do, and whose it is, stands in Postgres: a lost message is announced
//! again by the reaper, a doubled one finds nothing to claim. Everything that knows apalis is in this crate.

mod announcer;
mod codec;
mod config;
mod connection;
mod doorbell;
mod error;
mod forget;
mod message;

pub use announcer::Announcer;
pub use config::QueueConfig;
pub use doorbell::{Ring, listen};
pub use error::QueueError;
pub use message::RunMessage;
