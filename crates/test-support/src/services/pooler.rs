//! PgBouncer of one test, in front of its database.

use std::path::Path;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};

use super::allocation::free_port;
use super::postgres::{command_of_postgres, give_to_postgres};
use super::process::Process;
use super::programs::find_or_skip;
use crate::wait::wait_until;

const READY_TIMEOUT: Duration = Duration::from_secs(20);

/// When PgBouncer gives the session of a client to another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolMode {
    /// After each transaction.
    Transaction,
    /// After the client has disconnected.
    Session,
}

/// A dedicated PgBouncer without any setting that helps its clients, stopped on drop.
#[derive(Debug)]
pub struct TestPooler {
    process: Process,
    url: String,
    _folder: tempfile::TempDir,
}

impl TestPooler {
    /// Starts PgBouncer in front of the database at this URL, with this number of sessions. Returns `None`, and reports the test as
    /// skipped, if it is not installed.
    pub async fn start(database: &str, mode: PoolMode, sessions: u32) -> Option<Self> {
        let program = find_or_skip("pgbouncer")?;
        let folder = tempfile::tempdir().expect("a temporary folder can be created");
        let config = folder.path().join("pgbouncer.ini");
        let port = free_port();
        let server: PgConnectOptions = database.parse().expect("a Postgres URL");
        write_config(&config, &server, port, mode, sessions).expect("the configuration can be written");
        let mut command = command_of_postgres(&program);
        give_to_postgres(folder.path());
        let mut process = Process::start("pgbouncer", command.arg(&config), folder.path());
        let options = server.host("127.0.0.1").port(port).extra_float_digits(None);
        let url = options.to_url_lossy().to_string();
        wait_until("PgBouncer", READY_TIMEOUT, async || {
            assert!(process.is_running(), "pgbouncer ended: {}", process.log());
            PgConnection::connect_with(&options).await.ok()?.close().await.ok()
        })
        .await;
        Some(Self { process, url, _folder: folder })
    }

    /// URL of the database through the pooler.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        self.process.log()
    }
}

/// With `auth_type = any`, clients need no password, and the pooler has its own.
fn write_config(path: &Path, server: &PgConnectOptions, port: u16, mode: PoolMode, sessions: u32) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let url = server.to_url_lossy();
    let host = server.get_socket().map_or_else(|| server.get_host().to_owned(), |folder| folder.display().to_string());
    let password = url.password().map(|password| format!(" password='{password}'")).unwrap_or_default();
    let mode = match mode {
        PoolMode::Transaction => "transaction",
        PoolMode::Session => "session",
    };
    let mut file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(path)?;
    write!(
        file,
        "[databases]\n* = host='{host}' port={} user='{}'{password}\n\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
         unix_socket_dir =\nauth_type = any\npool_mode = {mode}\ndefault_pool_size = {sessions}\nmax_client_conn = 500\n",
        server.get_port(),
        server.get_username(),
    )
}
