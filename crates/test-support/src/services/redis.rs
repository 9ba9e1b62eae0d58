//! Redis server of one test. Each test needs its own, because channels span Redis databases and tests may stop it.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::allocation::{free_port, unique};
use super::process::Process;
use crate::wait::wait_until;

/// A dedicated Redis without persistence, stopped on drop.
#[derive(Debug)]
pub struct TestRedis {
    process: Option<Process>,
    port: u16,
    password: String,
    folder: tempfile::TempDir,
}

impl TestRedis {
    /// Starts `redis-server` on a free port and waits for it.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be created");
        let mut redis = Self { process: None, port: free_port(), password: unique(), folder };
        redis.resume().await;
        redis
    }

    /// An address without a running Redis, for tests that start it later.
    pub fn absent() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be created");
        Self { process: None, port: free_port(), password: unique(), folder }
    }

    /// Its URL with the password, for `REDIS_URL`.
    pub fn url(&self) -> String {
        format!("redis://:{}@127.0.0.1:{}", self.password, self.port)
    }

    /// Kills it; all data is lost.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Suspends it: connections stay open, but requests get no response.
    pub fn freeze(&self) {
        self.process.as_ref().expect("Redis is running").signal(Signal::STOP);
    }

    /// Resumes it after [`TestRedis::freeze`].
    pub fn thaw(&self) {
        self.process.as_ref().expect("Redis is running").signal(Signal::CONT);
    }

    /// Changes the password and closes all connections.
    pub async fn lock_out(&self) {
        self.command("CONFIG SET requirepass another").await.expect("Redis responds");
        self.command_as("another", "CLIENT KILL TYPE normal").await;
        self.command_as("another", "CLIENT KILL TYPE pubsub").await;
    }

    /// Restores the password.
    pub async fn let_in(&self) {
        self.command_as("another", &format!("CONFIG SET requirepass {}", self.password)).await.expect("Redis responds");
    }

    /// Starts it at the same address, without data.
    pub async fn resume(&mut self) {
        let config = self.folder.path().join("redis.conf");
        write_config(&config, self.port, &self.password, self.folder.path()).expect("the configuration can be written");
        let mut process = Process::start("redis", Command::new("redis-server").arg(&config), self.folder.path());
        wait_until("Redis", Duration::from_secs(20), async || {
            assert!(process.is_running(), "redis-server ended: {}", process.log());
            self.command("PING").await.filter(|answer| answer.starts_with("+PONG"))
        })
        .await;
        self.process = Some(process);
    }

    /// Sends one command whose arguments contain no spaces, for example `FLUSHALL`. Returns its raw response, or `None` if Redis does
    /// not respond.
    pub async fn command(&self, command: &str) -> Option<String> {
        self.command_as(&self.password, command).await
    }

    async fn command_as(&self, password: &str, command: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.ok()?;
        let request = format!("AUTH {password}\r\n{command}\r\nQUIT\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        Some(answer.strip_prefix("+OK\r\n")?.strip_suffix("+OK\r\n")?.to_owned())
    }
}

/// Passes the password in a file, because command-line arguments are visible to all users of the host.
fn write_config(path: &Path, port: u16, password: &str, folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let folder = folder.display();
    write!(file, "bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave \"\"\nappendonly no\ndir \"{folder}\"\n")
}
