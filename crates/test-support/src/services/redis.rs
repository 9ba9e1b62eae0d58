//! Redis server of one test. Each test needs its own, because channels span Redis databases and tests may stop it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::allocation::{free_port, unique};
use super::process::Process;
use crate::wait::wait_until;

/// Certificates for TLS.
const TLS_FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/redis-tls");

/// A dedicated Redis without persistence, stopped on drop.
#[derive(Debug)]
pub struct TestRedis {
    process: Option<Process>,
    port: u16,
    tls_port: Option<u16>,
    password: String,
    folder: tempfile::TempDir,
}

impl TestRedis {
    /// Starts `redis-server` on a free port and waits for it.
    pub async fn start() -> Self {
        let mut redis = Self::absent();
        redis.resume().await;
        redis
    }

    /// Like [`TestRedis::start`]; its URL is one with TLS, which demands a client certificate.
    pub async fn start_with_tls() -> Self {
        let mut redis = Self { tls_port: Some(free_port()), ..Self::absent() };
        redis.resume().await;
        redis
    }

    /// Path of a file for TLS: `ca.crt`, `client.crt` or `client.key`.
    pub fn tls_file(&self, name: &str) -> String {
        format!("{TLS_FOLDER}/{name}")
    }

    /// An address without a running Redis, for tests that start it later.
    pub fn absent() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be created");
        Self { process: None, port: free_port(), tls_port: None, password: unique(), folder }
    }

    /// Its URL with the password, for `REDIS_URL`.
    pub fn url(&self) -> String {
        match self.tls_port {
            None => format!("redis://:{}@127.0.0.1:{}", self.password, self.port),
            Some(port) => format!("rediss://:{}@127.0.0.1:{port}", self.password),
        }
    }

    /// Its URL for an ACL user.
    pub fn url_as(&self, user: &str, password: &str) -> String {
        format!("redis://{user}:{password}@127.0.0.1:{}", self.port)
    }

    /// Lets its next snapshot fail, so that it rejects writes until `CONFIG SET save ""`.
    pub async fn fail_snapshots(&self) {
        std::fs::remove_dir_all(self.data_folder()).expect("the folder can be removed");
        self.command("CONFIG SET save \"3600 1\"").await.expect("Redis responds");
        self.command("BGSAVE").await.expect("Redis responds");
        wait_until("the failed snapshot", Duration::from_secs(20), async || {
            self.command("INFO persistence").await.filter(|info| info.contains("rdb_last_bgsave_status:err"))
        })
        .await;
    }

    fn data_folder(&self) -> PathBuf {
        self.folder.path().join("data")
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
        std::fs::create_dir_all(self.data_folder()).expect("the folder can be created");
        self.write_config(&config).expect("the configuration can be written");
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

    /// Passes the password in a file, because command-line arguments are visible to all users of the host.
    fn write_config(&self, path: &Path) -> std::io::Result<()> {
        use std::os::unix::fs::OpenOptionsExt;
        let mut file = std::fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        let (port, password, folder) = (self.port, &self.password, self.data_folder());
        let folder = folder.display();
        write!(file, "bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave \"\"\nappendonly no\ndir \"{folder}\"\n")?;
        if let Some(port) = self.tls_port {
            let file_of = |name| format!("\"{TLS_FOLDER}/{name}\"");
            let (certificate, key, ca) = (file_of("server.crt"), file_of("server.key"), file_of("ca.crt"));
            write!(
                file,
                "tls-port {port}\ntls-cert-file {certificate}\ntls-key-file {key}\ntls-ca-cert-file {ca}\ntls-auth-clients yes\n"
            )?;
        }
        Ok(())
    }
}
