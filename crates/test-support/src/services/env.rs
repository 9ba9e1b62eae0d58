//! Test environment: database, Redis, bucket, and commands to start the binaries on them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;
use sqlx::PgPool;

use super::allocation::free_port;
use super::api::Api;
use super::bucket::TestBucket;
use super::database::TestDatabase;
use super::pooler::{PoolMode, TestPooler};
use super::postgres::TestPostgres;
use super::process::Process;
use super::redis::TestRedis;
use super::role::TestRole;
use super::server::Server;
use crate::wait::wait_until;

/// Generous, for a busy machine.
const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// A dedicated database, Redis and bucket, and methods to start the binaries on them.
///
/// Processes must be dropped before the environment, so declare them later: the environment deletes what they use.
/// [`TestEnv::finish`] also checks that all runs have ended; a test that leaves one unfinished on purpose does not call it.
#[derive(Debug)]
pub struct TestEnv {
    /// The database.
    pub database: TestDatabase,
    /// The role as which processes connect, if it is not the owner of the database; dropped after the database.
    pub role: Option<TestRole>,
    /// The server of the database, if it is dedicated to the test; stopped after the database is dropped.
    pub postgres: Option<TestPostgres>,
    /// The pooler to which `DATABASE_URL` leads, if there is one.
    pub pooler: Option<TestPooler>,
    /// The Redis, which tests can empty, stop and resume.
    pub redis: TestRedis,
    /// The bucket.
    pub bucket: TestBucket,
    logs: tempfile::TempDir,
}

impl TestEnv {
    /// Starts all services.
    pub async fn start() -> Self {
        Self::with_redis(TestRedis::start().await).await
    }

    /// Like [`TestEnv::start`], with the given Redis.
    pub async fn with_redis(redis: TestRedis) -> Self {
        Self::assemble(TestDatabase::create().await, None, redis).await
    }

    /// Like [`TestEnv::start`], with a dedicated PostgreSQL.
    pub async fn with_postgres(postgres: TestPostgres) -> Self {
        let database = TestDatabase::create_at(&postgres.url()).await;
        Self::assemble(database, Some(postgres), TestRedis::start().await).await
    }

    /// Like [`TestEnv::start`], with a pooler in transaction mode in front of the database. All processes use it, and have the URL of the
    /// database itself for what needs a session. Returns `None`, and reports the test as skipped, if PgBouncer is not installed.
    pub async fn with_pooler(sessions: u32) -> Option<Self> {
        let mut env = Self::start().await;
        env.pooler = Some(TestPooler::start(env.database.url(), PoolMode::Transaction, sessions).await?);
        Some(env)
    }

    async fn assemble(database: TestDatabase, postgres: Option<TestPostgres>, redis: TestRedis) -> Self {
        let logs = tempfile::tempdir().expect("a temporary folder can be created");
        // trainings that are over at once, or take long: no test may depend on it
        if let Ok(pace) = std::env::var("APRENDIZ_TEST_PACE") {
            assert!(["instant", "slow"].contains(&pace.as_str()), "APRENDIZ_TEST_PACE is `{pace}`: expected instant or slow");
            std::fs::write(logs.path().join("pace"), pace).expect("a temporary folder can be written");
        }
        Self { database, role: None, postgres, pooler: None, redis, bucket: TestBucket::create().await, logs }
    }

    /// A connection pool of the database.
    pub fn pool(&self) -> &PgPool {
        self.database.pool()
    }

    /// A temporary folder of the test.
    pub fn folder(&self) -> &Path {
        self.logs.path()
    }

    /// A command of `aprendiz` or `aprendiz-worker` with the environment variables of this environment.
    pub fn command(&self, binary: &str) -> Command {
        let database = self.role.as_ref().map_or(self.database.url(), TestRole::url);
        let mut command = Command::new(binary_path(binary));
        command
            .env("DATABASE_URL", self.pooler.as_ref().map_or(database, TestPooler::url))
            .env_remove("APRENDIZ_DATABASE_DIRECT_URL")
            .env("REDIS_URL", self.redis.url())
            .env("APRENDIZ_BUCKET", self.bucket.name())
            .env("APRENDIZ_MODEL_CACHE_DIR", self.folder().join("models"))
            .env("APRENDIZ_INFERENCE_CACHE_DIR", self.folder().join("served-models"))
            .env_remove("APRENDIZ_INFERENCE_SOCKET")
            .env("APRENDIZ_SCRATCH", self.folder())
            .env("APRENDIZ_EMBEDDINGS", self.folder().join("embeddings"))
            .env("APRENDIZ_LOG_FORMAT", "text")
            // not the profiles of the user who runs the tests
            .env("XDG_CONFIG_HOME", self.folder().join("config"))
            .env_remove("APRENDIZ_PROFILE")
            .env_remove("APRENDIZ_API_KEY_FILE")
            .env_remove("APRENDIZ_URL")
            .env_remove("APRENDIZ_API_KEY")
            .env_remove("APRENDIZ_LISTEN");
        if self.pooler.is_some() {
            command.env("APRENDIZ_DATABASE_DIRECT_URL", database);
        }
        command
    }

    /// Starts `aprendiz serve` on a free port with additional arguments and waits until it is ready.
    pub async fn serve(&self, arguments: &[&str]) -> Server {
        self.serve_with(arguments, &[]).await
    }

    /// Like [`TestEnv::serve`], with additional environment variables.
    pub async fn serve_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Server {
        let address = format!("127.0.0.1:{}", free_port());
        let url = format!("http://{address}");
        let mut command = self.command("aprendiz");
        command.arg("serve").args(arguments).envs(variables.iter().copied()).env("APRENDIZ_LISTEN", &address);
        let mut process = Process::start("serve", &mut command, self.folder());
        let api = Api::new(&url, "");
        wait_until("aprendiz serve", READY_TIMEOUT, async || {
            assert!(process.is_running(), "aprendiz serve ended");
            api.get("/readyz").send().await.ok().filter(|answer| answer.status().is_success())
        })
        .await;
        let key = self.create_key("admin");
        Server::new(process, url, key)
    }

    /// Starts an `aprendiz-worker` with additional environment variables; `name` names its log. Returns without waiting for it to be
    /// ready, because tests wait for its runs.
    pub fn worker(&self, name: &str, variables: &[(&str, &str)]) -> Process {
        let mut command = self.command("aprendiz-worker");
        command.envs(variables.iter().copied());
        Process::start(name, &mut command, self.folder())
    }

    /// Like [`TestEnv::worker`], started by another program, for example one that changes its network.
    pub fn worker_under(&self, wrapper: &[&str], name: &str, variables: &[(&str, &str)]) -> Process {
        let worker = self.command("aprendiz-worker");
        let mut command = Command::new(wrapper[0]);
        command.args(&wrapper[1..]).arg(worker.get_program());
        for (variable, value) in worker.get_envs() {
            match value {
                Some(value) => command.env(variable, value),
                None => command.env_remove(variable),
            };
        }
        command.envs(variables.iter().copied());
        Process::start(name, &mut command, self.folder())
    }

    /// Creates an API key with the role. It is named after the role; further keys of the role get a number, because the names of active
    /// keys differ.
    pub fn create_key(&self, role: &str) -> String {
        let names = std::iter::once(role.to_owned()).chain((2..).map(|number| format!("{role}-{number}")));
        for name in names {
            let mut command = self.command("aprendiz");
            let output = command.args(["api-key", "create", "--name", &name, "--role", role, "-o", "json"]).output();
            let output = output.expect("aprendiz is built; ./dev test builds it");
            if output.status.code() == Some(3) {
                continue;
            }
            let created: Value = json_output(&output);
            return created["key"].as_str().expect("the response contains the key").to_owned();
        }
        unreachable!("the numbers do not end")
    }

    /// Runs a command of `aprendiz` against a server with its admin key and waits for its end.
    pub fn cli(&self, server: &Server, arguments: &[&str]) -> Output {
        let mut command = self.command("aprendiz");
        command.args(arguments).env("APRENDIZ_URL", server.url()).env("APRENDIZ_API_KEY", server.admin_key());
        command.output().expect("aprendiz can be started; ./dev test builds it")
    }

    /// Ends the test; all runs must have ended.
    pub async fn finish(self) {
        let unfinished: Vec<String> =
            sqlx::query_scalar("SELECT id || ' is ' || status FROM training_runs WHERE status NOT IN ('succeeded', 'failed', 'cancelled')")
                .fetch_all(self.pool())
                .await
                .expect("the runs can be read");
        assert!(unfinished.is_empty(), "unfinished runs: {unfinished:?}");
    }
}

/// Parses the JSON output of a command that must have succeeded.
fn json_output(output: &Output) -> Value {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "aprendiz: {}: {errors}", output.status);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("not JSON: {error}: {errors}"))
}

/// Path of a binary. Tests are in `target/<profile>/deps`, binaries in the folder above; Cargo sets variables only for binaries of the
/// test's own package.
pub(super) fn binary_path(binary: &str) -> PathBuf {
    let own = std::env::current_exe().expect("the path of the test program is known");
    let folders = own.ancestors().skip(1).take(2).map(|folder| folder.join(binary)).collect::<Vec<_>>();
    let path = folders.iter().find(|path| path.exists()).unwrap_or(&folders[1]).clone();
    assert!(path.exists(), "{} is missing: run ./dev test, or cargo build --workspace --bins", path.display());
    path
}
