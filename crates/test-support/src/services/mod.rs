//! Real services, dedicated to one test each.

mod allocation;
mod api;
mod bucket;
mod caddy;
mod cleanup;
mod database;
mod env;
mod nginx;
mod object_server;
mod oidc_provider;
mod pooler;
mod postgres;
mod process;
mod programs;
mod proxy;
mod redis;
mod role;
mod server;

pub use api::Api;
pub use bucket::TestBucket;
pub use caddy::TestCaddy;
pub use database::TestDatabase;
pub use env::TestEnv;
pub use nginx::TestNginx;
pub use object_server::ObjectServer;
pub use oidc_provider::TestOidcProvider;
pub use pooler::{PoolMode, TestPooler};
pub use postgres::TestPostgres;
pub use process::Process;
pub use programs::report_skipped;
pub use proxy::FaultProxy;
pub use redis::TestRedis;
pub use role::TestRole;
pub use server::Server;
