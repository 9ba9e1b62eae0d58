//! The processes and services of a chaos test, and the functions that inject faults into them.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use aprendiz_test_support::{Api, FaultProxy, PoolMode, Process, Server, TestEnv, TestPooler};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::schedule::{Fault, SERVERS, WORKERS, Work};

const LEASE_SECONDS: &str = "3";
/// Fewer than the connections of all processes.
const POOLER_SESSIONS: u32 = 12;

/// An installation. Its fields are dropped in order: processes before the services they use.
pub(crate) struct Installation {
    workers: Vec<Process>,
    servers: Vec<Option<ProxiedServer>>,
    pooler: Option<TestPooler>,
    database: FaultProxy,
    bucket: FaultProxy,
    pub(crate) env: TestEnv,
    workers_started: u64,
}

/// A server, and the proxy through which clients use it.
struct ProxiedServer {
    server: Server,
    proxy: FaultProxy,
}

impl ProxiedServer {
    fn api(&self) -> Api {
        self.server.api_at(&format!("http://{}", self.proxy.address()))
    }
}

impl Installation {
    /// Starts everything, with PgBouncer in front of the proxied PostgreSQL if requested.
    pub(crate) async fn start(with_pooler: bool) -> Self {
        let env = TestEnv::start().await;
        let database = FaultProxy::start(server_address(env.database.url()));
        let pooler = if with_pooler {
            let pooler = TestPooler::start(&proxied_url(&env, &database), PoolMode::Transaction, POOLER_SESSIONS).await;
            Some(pooler.expect("PgBouncer is installed; ./dev chaos --pooler installs it"))
        } else {
            None
        };
        let bucket = FaultProxy::start(&env.bucket.address());
        let mut installation = Self { workers: Vec::new(), servers: Vec::new(), pooler, database, bucket, env, workers_started: 0 };
        for _ in 0..SERVERS {
            let server = installation.start_server().await;
            installation.servers.push(Some(server));
        }
        for _ in 0..WORKERS {
            let worker = installation.start_worker();
            installation.workers.push(worker);
        }
        installation
    }

    pub(crate) fn pool(&self) -> &PgPool {
        self.env.pool()
    }

    /// Environment of workers and servers: short times, and PostgreSQL and the bucket behind proxies.
    fn variables(&self) -> Vec<(&'static str, String)> {
        let url = proxied_url(&self.env, &self.database);
        let mut variables = match &self.pooler {
            Some(pooler) => vec![("DATABASE_URL", pooler.url().to_owned()), ("APRENDIZ_DATABASE_DIRECT_URL", url)],
            None => vec![("DATABASE_URL", url)],
        };
        variables.extend([
            ("AWS_ENDPOINT_URL_S3", format!("http://{}", self.bucket.address())),
            ("APRENDIZ_LEASE_SECONDS", LEASE_SECONDS.to_owned()),
            ("APRENDIZ_GRACE_SECONDS", "2".to_owned()),
            ("APRENDIZ_CHECKPOINT_SECONDS", "0.1".to_owned()),
            ("APRENDIZ_POLL_SECONDS", "5".to_owned()),
            ("APRENDIZ_SWEEP_EVERY_SECONDS", "1".to_owned()),
            ("APRENDIZ_SWEEP_AFTER_SECONDS", "20".to_owned()),
            ("APRENDIZ_CHECKPOINT_KEEP_SECONDS", "20".to_owned()),
        ]);
        variables
    }

    fn start_worker(&mut self) -> Process {
        self.workers_started += 1;
        let variables = self.variables();
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.env.worker(&format!("worker-{}", self.workers_started), &variables)
    }

    async fn start_server(&self) -> ProxiedServer {
        let variables = self.variables();
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let server = self.env.serve_with(&[], &variables).await;
        let proxy = FaultProxy::start(server.url().trim_start_matches("http://"));
        ProxiedServer { server, proxy }
    }

    /// The first server.
    fn api(&self) -> Result<Api> {
        self.servers.iter().flatten().next().map(ProxiedServer::api).context("no server runs")
    }

    /// Restarts workers and servers that have exited.
    pub(crate) async fn restart_exited(&mut self) {
        for number in 0..self.workers.len() {
            if !self.workers[number].is_running() {
                self.workers[number] = self.start_worker();
            }
        }
        for number in 0..self.servers.len() {
            if self.servers[number].as_mut().is_none_or(|server| !server.server.process.is_running()) {
                self.servers[number] = None;
                self.servers[number] = Some(self.start_server().await);
            }
        }
    }

    /// Ends all faults and restarts what has exited.
    pub(crate) async fn end_faults(&mut self) {
        self.database.pass();
        self.bucket.pass();
        self.end_truncation();
        self.restart_exited().await;
    }

    /// Stops all workers and servers; the services keep running.
    pub(crate) fn stop_processes(&mut self) {
        self.workers.clear();
        self.servers.clear();
    }

    pub(crate) async fn import(&self, export: Vec<u8>) -> Result<Value> {
        let response = self.api()?.post("/v1/imports").body(export).send().await?;
        if !response.status().is_success() {
            bail!("import: {}", response.text().await?);
        }
        Ok(response.json().await?)
    }

    /// Creates a run; an error if no server accepted it.
    pub(crate) async fn submit(&self, work: Work, key: u64) -> Result<Uuid> {
        let spec = match work {
            Work::Train { model, priority, long } => {
                let params = if long { json!({ "folds": 20, "tolerance": 1e-6, "epochs": 10_000 }) } else { json!({ "folds": 2 }) };
                json!({ "model": format!("model-{model}"), "priority": priority, "seed": key, "max_attempts": 20, "params": params })
            }
            Work::Evaluate => json!({ "model": "extractor", "kind": "evaluate", "max_attempts": 20 }),
        };
        let request = self.api()?.post("/v1/training-runs").header("idempotency-key", format!("chaos-{key}")).json(&spec);
        let response = request.timeout(Duration::from_secs(5)).send().await?;
        let status = response.status();
        let body: Value = response.json().await?;
        body["id"].as_str().and_then(|id| id.parse().ok()).with_context(|| format!("{status}: {body}"))
    }

    /// Cancels or retries a run. Returns whether the server accepted it.
    pub(crate) async fn change_run(&self, run: Uuid, verb: &str) -> Result<bool> {
        let request = self.api()?.post(&format!("/v1/training-runs/{run}/{verb}"));
        Ok(request.timeout(Duration::from_secs(5)).send().await?.status().is_success())
    }

    /// Injects a fault and waits until it has ended, so faults do not overlap. Only responses of the API stay truncated.
    pub(crate) async fn inject(&mut self, fault: Fault) -> Result<()> {
        let pause = |milliseconds| tokio::time::sleep(Duration::from_millis(milliseconds));
        match fault {
            Fault::KillWorker(which) => self.workers[which as usize].kill(),
            Fault::TerminateWorker(which) => self.workers[which as usize].terminate(),
            Fault::FreezeWorker(which, duration) => {
                let worker = &self.workers[which as usize];
                worker.signal(Signal::STOP);
                pause(duration).await;
                worker.signal(Signal::CONT);
            }
            Fault::KillChild(which) => {
                for child in child_processes(self.workers[which as usize].pid()) {
                    kill_process(child, Signal::KILL).ok();
                }
            }
            Fault::KillServer(which) => self.servers[which as usize].iter().for_each(|server| server.server.process.kill()),
            Fault::TerminateServer(which) => self.servers[which as usize].iter().for_each(|server| server.server.process.terminate()),
            Fault::FlushRedis => drop(self.env.redis.command("FLUSHALL").await),
            Fault::RestartRedis(duration) => {
                self.env.redis.stop();
                pause(duration).await;
                self.env.redis.resume().await;
            }
            Fault::FreezeRedis(duration) => {
                self.env.redis.freeze();
                pause(duration).await;
                self.env.redis.thaw();
            }
            Fault::CutDatabase => {
                self.database.refuse();
                self.database.pass();
            }
            Fault::StallDatabase(duration) => {
                self.database.stall();
                pause(duration).await;
                self.database.pass();
            }
            Fault::RefuseBucket(duration) => {
                self.bucket.refuse();
                pause(duration).await;
                self.bucket.pass();
            }
            Fault::StallBucket(duration) => {
                self.bucket.stall();
                pause(duration).await;
                self.bucket.pass();
            }
            Fault::TruncateBucket(duration) => {
                self.bucket.truncate();
                pause(duration).await;
                self.bucket.pass();
            }
            // requests go on meanwhile; `end_truncation` ends it
            Fault::TruncateApi(_) => {
                self.proxies().for_each(FaultProxy::truncate);
                self.check_truncated_export().await?;
            }
        }
        // a terminated process may take its grace time
        pause(50).await;
        self.restart_exited().await;
        Ok(())
    }

    fn proxies(&self) -> impl Iterator<Item = &FaultProxy> {
        self.servers.iter().flatten().map(|server| &server.proxy)
    }

    /// Lets responses of the API pass completely again.
    pub(crate) fn end_truncation(&self) {
        self.proxies().for_each(FaultProxy::pass);
    }

    /// Reads an export while responses break off: no part of it may look complete.
    async fn check_truncated_export(&self) -> Result<()> {
        let request = self.api()?.get("/v1/annotations/export").timeout(Duration::from_secs(5));
        let Ok(response) = request.send().await else { return Ok(()) };
        if let Ok(body) = response.text().await
            && body.lines().last().is_some_and(|line| line.starts_with("{\"end\":"))
        {
            bail!("an export that broke off looks complete: {} bytes", body.len());
        }
        Ok(())
    }

    /// The folder with the logs of all processes.
    pub(crate) fn logs(&self) -> &std::path::Path {
        self.env.folder()
    }
}

/// URL of the database through the proxy.
fn proxied_url(env: &TestEnv, proxy: &FaultProxy) -> String {
    let url = env.database.url();
    url.replacen(server_address(url), &proxy.address(), 1)
}

/// HOST:PORT of a URL with a password.
fn server_address(url: &str) -> &str {
    let (_, rest) = url.rsplit_once('@').expect("a URL with a password");
    rest.split('/').next().expect("a split has a first part")
}

fn child_processes(parent: Pid) -> Vec<Pid> {
    let parent = parent.as_raw_nonzero().get();
    let lists = std::fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
    let children = lists.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    children.flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok().and_then(Pid::from_raw)).collect::<Vec<_>>()).collect()
}
