//! The real services, each test with its own.

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

/// A variable that `./dev test` sets.
fn required(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run ./dev test, or ./dev up and source .dev/env"))
}

/// Part of a name that no other test uses.
fn unique() -> String {
    uuid::Uuid::new_v4().simple().to_string()[..16].to_owned()
}

/// A port nobody listens on now. Taken from below the range that the system hands to outgoing connections, or a client
/// of another test could hold it a moment later.
fn free_port() -> u16 {
    loop {
        let port = 12_000 + (uuid::Uuid::new_v4().as_u128() % 20_000) as u16;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Runs a future from a `Drop`, where the test's own runtime cannot be entered again.
fn block_on_new_thread<T: Send>(future: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be built").block_on(future)
        });
        thread.join().expect("cleaning up does not panic")
    })
}
