//! Real services, dedicated to one test each.

mod api;
mod bucket;
mod database;
mod env;
mod postgres;
mod process;
mod proxy;
mod redis;
mod server;

pub use api::Api;
pub use bucket::TestBucket;
pub use database::TestDatabase;
pub use env::TestEnv;
pub use postgres::TestPostgres;
pub use process::Process;
pub use proxy::FaultProxy;
pub use redis::TestRedis;
pub use server::Server;

/// An environment variable set by `./dev test`.
fn required(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run ./dev test, or ./dev up and source .dev/env"))
}

/// A unique name part.
fn unique() -> String {
    uuid::Uuid::new_v4().simple().to_string()[..16].to_owned()
}

/// A free port below the range of ephemeral ports, so that outgoing connections of other tests cannot take it.
fn free_port() -> u16 {
    loop {
        let port = 12_000 + (uuid::Uuid::new_v4().as_u128() % 20_000) as u16;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Runs a future in `Drop`, where the runtime of the test cannot be entered again.
fn block_on_new_thread<T: Send>(future: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("the runtime can be built").block_on(future)
        });
        thread.join().expect("cleanup does not panic")
    })
}
