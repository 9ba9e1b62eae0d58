//! Settings of the shared services, and names and ports that no other test uses.

/// An environment variable set by `./dev test`.
pub(super) fn required(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run ./dev test, or ./dev up and source .dev/env"))
}

/// A unique name part.
pub(super) fn unique() -> String {
    uuid::Uuid::new_v4().simple().to_string()[..16].to_owned()
}

/// A free port below the range of ephemeral ports, so that outgoing connections of other tests cannot take it.
pub(super) fn free_port() -> u16 {
    loop {
        let port = 12_000 + (uuid::Uuid::new_v4().as_u128() % 20_000) as u16;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
