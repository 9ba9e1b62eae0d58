//! Support for tests, in two parts: the generator of sample contracts (also the binary `aprendiz-sample`), and the real
//! services for a test's own use: a migrated database, a Redis, a bucket, and the real binaries.
//!
//! The services come from the environment that `./dev test` sets; without it a test panics and says so.

mod sample;
mod services;
mod wait;

pub use sample::{Extent, write_contracts};
pub use services::{Api, FaultProxy, Process, Server, TestBucket, TestDatabase, TestEnv, TestPostgres, TestRedis};
pub use wait::wait_until;
