//! The processes and services of a chaos run, and the hands that break them.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use sqlx::PgPool;
use test_support::{Api, FaultProxy, Process, Server, TestEnv};
use uuid::Uuid;

use crate::plan::{Fault, SERVERS, WORKERS, Work};

const LEASE_SECONDS: &str = "3";

/// Everything that runs. Dropped from the first field to the last.
pub(crate) struct Stage {
    workers: Vec<Process>,
    servers: Vec<Option<Server>>,
    database: FaultProxy,
    bucket: FaultProxy,
    pub(crate) env: TestEnv,
    boots: u64,
}

impl Stage {
    pub(crate) async fn set() -> Self {
        let env = TestEnv::start().await;
        let database = FaultProxy::start(address_of(env.database.url()));
        let bucket = FaultProxy::start(&env.bucket.address());
        let mut stage = Self { workers: Vec::new(), servers: Vec::new(), database, bucket, env, boots: 0 };
        for _ in 0..SERVERS {
            let server = stage.boot_server().await;
            stage.servers.push(Some(server));
        }
        for _ in 0..WORKERS {
            let worker = stage.boot_worker();
            stage.workers.push(worker);
        }
        stage
    }

    pub(crate) fn pool(&self) -> &PgPool {
        self.env.pool()
    }

    fn variables(&self) -> [(&'static str, String); 9] {
        let url = self.env.database.url();
        let url = url.replacen(address_of(url), &self.database.address(), 1);
        [
            ("DATABASE_URL", url),
            ("AWS_ENDPOINT_URL_S3", format!("http://{}", self.bucket.address())),
            ("APRENDIZ_LEASE_SECONDS", LEASE_SECONDS.to_owned()),
            ("APRENDIZ_GRACE_SECONDS", "2".to_owned()),
            ("APRENDIZ_CHECKPOINT_SECONDS", "0.1".to_owned()),
            ("APRENDIZ_POLL_SECONDS", "5".to_owned()),
            ("APRENDIZ_SWEEP_EVERY_SECONDS", "1".to_owned()),
            ("APRENDIZ_SWEEP_AFTER_SECONDS", "20".to_owned()),
            ("APRENDIZ_CHECKPOINT_KEEP_SECONDS", "20".to_owned()),
        ]
    }

    fn boot_worker(&mut self) -> Process {
        self.boots += 1;
        let variables = self.variables();
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.env.worker(&format!("worker-{}", self.boots), &variables)
    }

    async fn boot_server(&self) -> Server {
        let variables = self.variables();
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.env.serve_with(&[], &variables).await
    }

    /// A server that answers.
    fn api(&self) -> Result<Api> {
        self.servers.iter().flatten().next().map(Server::api).context("no server runs")
    }

    /// Brings back what has ended.
    pub(crate) async fn revive(&mut self) {
        for number in 0..self.workers.len() {
            if !self.workers[number].is_running() {
                self.workers[number] = self.boot_worker();
            }
        }
        for number in 0..self.servers.len() {
            if self.servers[number].as_mut().is_none_or(|server| !server.process.is_running()) {
                self.servers[number] = None;
                self.servers[number] = Some(self.boot_server().await);
            }
        }
    }

    /// Ends every fault that lasts.
    pub(crate) async fn heal(&mut self) {
        self.database.pass();
        self.bucket.pass();
        self.revive().await;
    }

    /// Ends all workers and servers; the services stay, and nothing changes any more.
    pub(crate) fn close(&mut self) {
        self.workers.clear();
        self.servers.clear();
    }

    pub(crate) async fn import(&self, export: Vec<u8>) -> Result<Value> {
        let answer = self.api()?.post("/v1/imports").body(export).send().await?;
        if !answer.status().is_success() {
            bail!("import: {}", answer.text().await?);
        }
        Ok(answer.json().await?)
    }

    /// Asks for a run; an error when no server could take it.
    pub(crate) async fn submit(&self, work: Work, key: u64) -> Result<Uuid> {
        let spec = match work {
            Work::Train { model, priority, long } => {
                let params = if long { json!({ "folds": 20, "tolerance": 1e-6, "epochs": 10_000 }) } else { json!({ "folds": 2 }) };
                json!({ "model": format!("model-{model}"), "priority": priority, "seed": key, "max_attempts": 20, "params": params })
            }
            Work::Evaluate => json!({ "model": "extractor", "kind": "evaluate", "max_attempts": 20 }),
        };
        let request = self.api()?.post("/v1/training-runs").header("idempotency-key", format!("chaos-{key}")).json(&spec);
        let answer = request.timeout(Duration::from_secs(5)).send().await?;
        let status = answer.status();
        let body: Value = answer.json().await?;
        body["id"].as_str().and_then(|id| id.parse().ok()).with_context(|| format!("{status}: {body}"))
    }

    /// Cancels or retries; whether the server took it.
    pub(crate) async fn act(&self, run: Uuid, verb: &str) -> Result<bool> {
        let request = self.api()?.post(&format!("/v1/training-runs/{run}/{verb}"));
        Ok(request.timeout(Duration::from_secs(5)).send().await?.status().is_success())
    }

    /// Does the damage. What lasts is ended here too, so faults come one after the other.
    pub(crate) async fn inflict(&mut self, fault: Fault) -> Result<()> {
        let pause = |milliseconds| tokio::time::sleep(Duration::from_millis(milliseconds));
        match fault {
            Fault::KillWorker(which) => self.workers[which as usize].kill(),
            Fault::TerminateWorker(which) => self.workers[which as usize].terminate(),
            Fault::FreezeWorker(which, lasts) => {
                let worker = &self.workers[which as usize];
                worker.signal(Signal::STOP);
                pause(lasts).await;
                worker.signal(Signal::CONT);
            }
            Fault::KillChild(which) => {
                for child in children_of(self.workers[which as usize].pid()) {
                    kill_process(child, Signal::KILL).ok();
                }
            }
            Fault::KillServer(which) => self.servers[which as usize].iter().for_each(|server| server.process.kill()),
            Fault::TerminateServer(which) => self.servers[which as usize].iter().for_each(|server| server.process.terminate()),
            Fault::FlushRedis => drop(self.env.redis.command("FLUSHALL").await),
            Fault::RestartRedis(lasts) => {
                self.env.redis.stop();
                pause(lasts).await;
                self.env.redis.resume().await;
            }
            Fault::FreezeRedis(lasts) => {
                self.env.redis.freeze();
                pause(lasts).await;
                self.env.redis.thaw();
            }
            Fault::CutDatabase => {
                self.database.refuse();
                self.database.pass();
            }
            Fault::StallDatabase(lasts) => {
                self.database.stall();
                pause(lasts).await;
                self.database.pass();
            }
            Fault::RefuseBucket(lasts) => {
                self.bucket.refuse();
                pause(lasts).await;
                self.bucket.pass();
            }
            Fault::StallBucket(lasts) => {
                self.bucket.stall();
                pause(lasts).await;
                self.bucket.pass();
            }
        }
        // a process that was told to end may take its grace
        pause(50).await;
        self.revive().await;
        Ok(())
    }

    /// Logs of all processes, for the report of a failure.
    pub(crate) fn logs(&self) -> &std::path::Path {
        self.env.folder()
    }
}

fn address_of(url: &str) -> &str {
    let (_, rest) = url.rsplit_once('@').expect("a URL with a password");
    rest.split('/').next().expect("the first part of a split is there")
}

fn children_of(parent: Pid) -> Vec<Pid> {
    let parent = parent.as_raw_nonzero().get();
    let lists = std::fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
    let children = lists.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    children.flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok().and_then(Pid::from_raw)).collect::<Vec<_>>()).collect()
}
