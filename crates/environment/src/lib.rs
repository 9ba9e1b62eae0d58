//! What both binaries read from the environment, so that one variable means the same in both: database, queue, bucket, logs.
//!
//! A bad value stops the start and names its variable; a secret can come from a file (`NAME_FILE`) and is never printed.
//! What only one binary needs is read in its own `config.rs`, through [`Environment`].

mod database;
mod telemetry;
mod variables;

pub use database::DatabaseConfig;
pub use telemetry::{LogConfig, init_logs};
pub use variables::Environment;
