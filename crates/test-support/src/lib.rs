//! Test support: a generator of sample contracts (also the binary `aprendiz-sample`), and real services for each test: a
//! migrated database, a Redis, a bucket and the binaries.
//!
//! The services are configured by the environment variables of `./dev test`; without them, tests panic and name the missing one.

mod sample;
mod services;
mod wait;

pub use sample::{Extent, write_contracts};
pub use services::{
    Api, FaultProxy, ObjectServer, PoolMode, Process, Server, TestBucket, TestCaddy, TestDatabase, TestEnv, TestNginx, TestOidcProvider,
    TestPooler, TestPostgres, TestRedis, TestRole, report_skipped,
};
pub use wait::wait_until;
