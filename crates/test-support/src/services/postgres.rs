//! PostgreSQL server of one test, for tests that stop or crash it. Most tests share a server and have a database each.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};

use super::allocation::{free_port, unique};
use super::process::Process;
use crate::wait::wait_until;

const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// A dedicated server with durable storage, stopped on drop.
#[derive(Debug)]
pub struct TestPostgres {
    process: Option<Process>,
    port: u16,
    password: String,
    data: PathBuf,
    folder: tempfile::TempDir,
}

impl TestPostgres {
    /// Creates and starts a server in a temporary folder.
    pub async fn start() -> Self {
        Self::start_in(tempfile::tempdir().expect("a temporary folder can be created")).await
    }

    /// Like [`TestPostgres::start`], in the given folder, for example on a file system that will become full.
    pub async fn start_in(folder: tempfile::TempDir) -> Self {
        let password = unique();
        let secret = folder.path().join("password");
        std::fs::write(&secret, &password).expect("a file can be written");
        give_to_postgres(folder.path());
        let data = folder.path().join("data");
        let mut initdb = as_postgres("initdb");
        initdb.args(["-U", "aprendiz", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]);
        initdb.arg("-D").arg(&data).arg("--pwfile").arg(&secret);
        run(initdb);
        let mut postgres = Self { process: None, port: free_port(), password, data, folder };
        postgres.resume().await;
        postgres
    }

    /// Its URL, for `DATABASE_URL`; the database is `postgres`.
    pub fn url(&self) -> String {
        format!("postgres://aprendiz:{}@127.0.0.1:{}/postgres", self.password, self.port)
    }

    /// Its temporary folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Stops it and closes all connections (fast shutdown).
    pub async fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.signal(Signal::INT);
            process.wait(READY_TIMEOUT).await;
        }
    }

    /// Crashes it, like a power failure.
    pub async fn crash(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.signal(Signal::QUIT);
            process.wait(READY_TIMEOUT).await;
        }
    }

    /// Starts it again at the same address with its data.
    pub async fn resume(&mut self) {
        let mut start = as_postgres("postgres");
        start.arg("-D").arg(&self.data).args([
            "-p",
            &self.port.to_string(),
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "unix_socket_directories=",
        ]);
        start.args(["-c", "max_connections=60", "-c", "shared_buffers=32MB", "-c", "min_wal_size=32MB", "-c", "max_wal_size=64MB"]);
        let mut process = Process::start("postgres", &mut start, self.folder.path());
        let options: PgConnectOptions = self.url().parse().expect("the URL is valid");
        wait_until("PostgreSQL", READY_TIMEOUT, async || {
            assert!(process.is_running(), "postgres ended: {}", process.log());
            PgConnection::connect_with(&options).await.ok()?.close().await.ok()
        })
        .await;
        self.process = Some(process);
    }
}

fn as_postgres(program: &str) -> Command {
    command_of_postgres(&programs().join(program))
}

/// A command as user `postgres`, because PostgreSQL and PgBouncer refuse to run as root.
pub(super) fn command_of_postgres(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", user(), "--regid", user(), "--clear-groups"]).arg(program).current_dir("/");
    command
}

/// Makes this user the owner of a folder.
pub(super) fn give_to_postgres(folder: &Path) {
    if is_root() {
        run(command("chown", &["-R", user(), &folder.to_string_lossy()]));
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

const fn user() -> &'static str {
    "postgres"
}

/// Folder of the server programs: that of the variable, for `./dev postgres-versions`, or the installed one. Debian does not put it on the
/// path; there is one per version.
fn programs() -> PathBuf {
    if let Some(folder) = std::env::var_os("APRENDIZ_TEST_POSTGRES") {
        return PathBuf::from(folder);
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let folders = versions.map(|version| version.path().join("bin")).filter(|folder| folder.join("initdb").exists());
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&on_path).filter(|folder| folder.join("initdb").exists()).collect::<Vec<_>>();
    on_path.into_iter().chain(folders).last().expect("PostgreSQL is installed; ./dev up installs it")
}

fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

fn run(mut command: Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn data_survives_a_crash() {
        let mut postgres = TestPostgres::start().await;
        let options: PgConnectOptions = postgres.url().parse().unwrap();
        let mut conn = PgConnection::connect_with(&options).await.unwrap();
        sqlx::raw_sql("CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)").execute(&mut conn).await.unwrap();
        postgres.crash().await;
        assert!(sqlx::raw_sql("SELECT 1").execute(&mut conn).await.is_err());
        postgres.resume().await;
        let mut conn = PgConnection::connect_with(&options).await.unwrap();
        let kept: i32 = sqlx::query_scalar("SELECT n FROM kept").fetch_one(&mut conn).await.unwrap();
        assert_eq!(kept, 7);
    }
}
