//! Configuration shared by both binaries, read from environment variables: database, queue, object store, logs, traces.
//!
//! A bad value stops the start and names its variable. A secret can come from a file (`NAME_FILE`) and is never printed.
//! Settings of one binary are read in its own `config.rs`, through [`Environment`].

mod database;
mod telemetry;
mod variables;

pub use database::DatabaseConfig;
pub use variables::Environment;
