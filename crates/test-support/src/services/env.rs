//! Everything a test across processes needs, in one value.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;
use sqlx::PgPool;

use super::{Api, Process, Server, TestBucket, TestDatabase, TestPostgres, TestRedis, free_port};
use crate::wait_until;

/// How long a service of ours may take to be ready on a busy machine.
const READY: Duration = Duration::from_secs(60);

/// An own database, Redis and bucket, and the verbs to start the real binaries on them.
///
/// Start processes after the environment and drop them before it (declare them later): the environment deletes what they
/// use. [`TestEnv::finish`] also checks that no run was left unfinished; a test that leaves one on purpose just ends.
#[derive(Debug)]
pub struct TestEnv {
    /// The database.
    pub database: TestDatabase,
    /// Its server, when the test has one of its own; ends after the database is dropped.
    pub postgres: Option<TestPostgres>,
    /// The Redis, to be emptied, stopped or resumed.
    pub redis: TestRedis,
    /// The bucket.
    pub bucket: TestBucket,
    logs: tempfile::TempDir,
}

impl TestEnv {
    /// All services, running.
    pub async fn start() -> Self {
        Self::with_redis(TestRedis::start().await).await
    }

    /// As [`TestEnv::start`], with the given Redis.
    pub async fn with_redis(redis: TestRedis) -> Self {
        Self::of(TestDatabase::create().await, None, redis).await
    }

    /// As [`TestEnv::start`], on a PostgreSQL of its own.
    pub async fn with_postgres(postgres: TestPostgres) -> Self {
        let database = TestDatabase::create_at(&postgres.url()).await;
        Self::of(database, Some(postgres), TestRedis::start().await).await
    }

    async fn of(database: TestDatabase, postgres: Option<TestPostgres>, redis: TestRedis) -> Self {
        let logs = tempfile::tempdir().expect("a temporary folder can be made");
        // trainings that are over at once, or take long: no test may depend on it
        if let Ok(pace) = std::env::var("APRENDIZ_TEST_PACE") {
            assert!(["instant", "slow"].contains(&pace.as_str()), "APRENDIZ_TEST_PACE is `{pace}`: expected instant or slow");
            std::fs::write(logs.path().join("pace"), pace).expect("a temporary folder can be written");
        }
        Self { database, postgres, redis, bucket: TestBucket::create().await, logs }
    }

    /// Connections to the database.
    pub fn pool(&self) -> &PgPool {
        self.database.pool()
    }

    /// A folder of the test, for its files.
    pub fn folder(&self) -> &Path {
        self.logs.path()
    }

    /// A command of `aprendiz` or `aprendiz-worker`, with the variables of this environment.
    pub fn command(&self, binary: &str) -> Command {
        let mut command = Command::new(binary_path(binary));
        command
            .env("DATABASE_URL", self.database.url())
            .env("REDIS_URL", self.redis.url())
            .env("APRENDIZ_BUCKET", self.bucket.name())
            .env("APRENDIZ_MODEL_CACHE_DIR", self.folder().join("models"))
            .env("APRENDIZ_SCRATCH", self.folder())
            .env("APRENDIZ_EMBEDDINGS", self.folder().join("embeddings"))
            .env("APRENDIZ_LOG_FORMAT", "text")
            .env_remove("APRENDIZ_URL")
            .env_remove("APRENDIZ_API_KEY")
            .env_remove("APRENDIZ_LISTEN");
        command
    }

    /// Starts `aprendiz serve` on a free port with more arguments, and waits until it is ready.
    pub async fn serve(&self, arguments: &[&str]) -> Server {
        self.serve_with(arguments, &[]).await
    }

    /// As [`TestEnv::serve`], with more variables too.
    pub async fn serve_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Server {
        let address = format!("127.0.0.1:{}", free_port());
        let url = format!("http://{address}");
        let mut command = self.command("aprendiz");
        command.arg("serve").args(arguments).envs(variables.iter().copied()).env("APRENDIZ_LISTEN", &address);
        let mut process = Process::start("serve", &mut command, self.folder());
        let api = Api::new(&url, "");
        wait_until("aprendiz serve", READY, async || {
            assert!(process.is_running(), "aprendiz serve ended");
            api.get("/readyz").send().await.ok().filter(|answer| answer.status().is_success())
        })
        .await;
        let key = self.create_key("admin");
        Server::new(process, url, key)
    }

    /// Starts an `aprendiz-worker` with more variables; `name` tells its log from the others'. It is not awaited: its runs
    /// are what a test waits for.
    pub fn worker(&self, name: &str, variables: &[(&str, &str)]) -> Process {
        let mut command = self.command("aprendiz-worker");
        command.envs(variables.iter().copied());
        Process::start(name, &mut command, self.folder())
    }

    /// As [`TestEnv::worker`], started by another program, such as one that changes its network.
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

    /// A new API key with the role.
    pub fn create_key(&self, role: &str) -> String {
        let mut command = self.command("aprendiz");
        let output = command.args(["api-key", "create", "--name", role, "--role", role, "-o", "json"]).output();
        let output = output.expect("aprendiz can be started; ./dev test builds it");
        let created: Value = succeeded(&output);
        created["key"].as_str().expect("the answer holds the key").to_owned()
    }

    /// Runs the command line against a server with its admin key, to its end.
    pub fn cli(&self, server: &Server, arguments: &[&str]) -> Output {
        let mut command = self.command("aprendiz");
        command.args(arguments).env("APRENDIZ_URL", server.url()).env("APRENDIZ_API_KEY", server.admin_key());
        command.output().expect("aprendiz can be started; ./dev test builds it")
    }

    /// Ends the test: every run must have come to its end.
    pub async fn finish(self) {
        let unfinished: Vec<String> =
            sqlx::query_scalar("SELECT id || ' is ' || status FROM training_runs WHERE status NOT IN ('succeeded', 'failed', 'cancelled')")
                .fetch_all(self.pool())
                .await
                .expect("the runs can be read");
        assert!(unfinished.is_empty(), "unfinished runs: {unfinished:?}");
    }
}

/// The JSON that a successful command printed.
fn succeeded(output: &Output) -> Value {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "aprendiz: {}: {errors}", output.status);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("not JSON: {error}: {errors}"))
}

/// Tests lie in `target/<profile>/deps`, tools and the binaries in the folder above. Cargo names the binaries of the test's own
/// package only.
fn binary_path(binary: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a program knows its own path");
    let folders = own.ancestors().skip(1).take(2).map(|folder| folder.join(binary)).collect::<Vec<_>>();
    let path = folders.iter().find(|path| path.exists()).unwrap_or(&folders[1]).clone();
    assert!(path.exists(), "{} is missing: run ./dev test, or cargo build --workspace --bins", path.display());
    path
}
