//! Settings of the shared services, and names and ports that no other test uses.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// An environment variable set by `./dev test`.
pub(super) fn required(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run ./dev test, or ./dev up and source .dev/env"))
}

/// A unique name part.
pub(super) fn unique() -> String {
    uuid::Uuid::new_v4().simple().to_string()[..16].to_owned()
}

/// A free port below the range of ephemeral ports, so that outgoing connections of other tests cannot take it. No other test gets it while
/// this process runs, even if nothing listens on it yet, or no longer: a server that is restarted finds its port free.
pub(super) fn free_port() -> u16 {
    /// Locked files of the ports that this process was given. The locks end with the process.
    static RESERVED: Mutex<Vec<File>> = Mutex::new(Vec::new());
    let folder = std::env::temp_dir().join(format!("aprendiz-test-ports-{}", rustix::process::getuid().as_raw()));
    fs::create_dir_all(&folder).expect("the temporary folder is writable");
    loop {
        let port = 12_000 + (uuid::Uuid::new_v4().as_u128() % 20_000) as u16;
        if let Some(file) = reserve(&folder, port) {
            RESERVED.lock().unwrap_or_else(PoisonError::into_inner).push(file);
            return port;
        }
    }
}

/// Locks the file of a port; `None` if another test has it, or if something listens on it.
fn reserve(folder: &Path, port: u16) -> Option<File> {
    let file = File::create(folder.join(port.to_string())).expect("the file can be created");
    // tried only while its file is locked: this must not disturb a test that is about to listen
    (file.try_lock().is_ok() && TcpListener::bind(("127.0.0.1", port)).is_ok()).then_some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_on_which_nothing_listens_yet_is_not_given_twice() {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let reserved = reserve(folder.path(), port);
        assert!(reserved.is_some() && reserve(folder.path(), port).is_none());
        drop(reserved);
        assert!(reserve(folder.path(), port).is_some(), "it is free again");
    }
}
