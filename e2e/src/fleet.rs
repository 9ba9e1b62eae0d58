//! `aprendiz-fleet`: the database load of many workers without training, for the figures of docs/SCALING.md.
//!
//! Workers are tasks of this process. They call the same functions as `aprendiz-worker` does: claim, two phases, the checks of the lease
//! while a run is held, and the completion. Nothing is trained, and no object is stored. `fill` creates the runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use aprendiz_db::{Database, Session};
use aprendiz_run_spec::{RunKind, RunSpec, WorkerLabels};
use aprendiz_runs::{
    Claim, CreateRun, NewWorker, RunPhase, WorkerId, cancel_was_requested, claim_next, create_run, enter_phase, publish, register_worker,
    renew_lease, stop_worker,
};
use clap::{Parser, Subcommand};
use serde_json::json;
use sqlx::postgres::PgPoolOptions;
use tokio::task::JoinSet;
use uuid::Uuid;

/// As the default of `aprendiz-worker`.
const LEASE: Duration = Duration::from_secs(30);
/// As in the worker: how often a held run is checked for a cancellation.
const CANCEL_POLL_INTERVAL: Duration = Duration::from_millis(500);
/// Statements wait for a connection as long as it takes: the wait is part of the measurement.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(600);

/// Measure the load of many workers on one PostgreSQL, without training
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Connections of this process
    #[arg(long, global = true, default_value_t = 16)]
    connections: u32,
    /// URL of the database, which must be migrated
    #[arg(long, global = true, env = "DATABASE_URL", hide_env_values = true, default_value = "")]
    database_url: String,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create queued runs
    Fill {
        /// Number of runs
        #[arg(long)]
        runs: usize,
    },
    /// Claim and complete runs until none is left
    Work {
        /// Number of workers
        #[arg(long)]
        workers: usize,
        /// Time for which a worker holds a run, in milliseconds
        #[arg(long, default_value_t = 0)]
        hold_ms: u64,
        /// Stop after this many seconds, even if runs are left
        #[arg(long, default_value_t = 3_600)]
        seconds: u64,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let session = Session::new(arguments.database_url.parse().context("--database-url or DATABASE_URL is not a database URL")?);
    let pool = PgPoolOptions::new().max_connections(arguments.connections).acquire_timeout(ACQUIRE_TIMEOUT);
    let database = Database::direct(session.named("aprendiz-fleet"), pool);
    match arguments.command {
        Command::Fill { runs } => fill(&database, runs, arguments.connections as usize).await,
        Command::Work { workers, hold_ms, seconds } => {
            work(&database, workers, Duration::from_millis(hold_ms), Duration::from_secs(seconds)).await
        }
    }
}

async fn fill(database: &Database, runs: usize, writers: usize) -> Result<()> {
    let (started, next) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
    let mut tasks = JoinSet::new();
    for _ in 0..writers {
        let (database, next) = (database.clone(), Arc::clone(&next));
        tasks.spawn(async move {
            while next.fetch_add(1, Ordering::Relaxed) < runs {
                let spec: RunSpec = serde_json::from_value(json!({ "model": "fleet", "kind": "evaluate" }))?;
                let request = CreateRun {
                    spec: spec.validate().map_err(|error| anyhow::anyhow!("{error}"))?,
                    actor: "fleet",
                    on_behalf_of: None,
                    idempotency: None,
                    dataset_only: false,
                    parent_run_id: None,
                    position: None,
                    trace_parent: None,
                    trace_state: None,
                };
                let mut tx = database.begin().await?;
                create_run(&mut tx, request).await?;
                tx.commit().await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("{}", json!({ "created": runs, "seconds": seconds, "runs_per_second": runs as f64 / seconds }));
    Ok(())
}

/// What a worker measured, in milliseconds.
#[derive(Default)]
struct Times {
    /// From the request for a run to its claim, including the wait for a connection.
    claim: Vec<f64>,
    /// A check of the lease.
    check: Vec<f64>,
    /// All statements of a run, without the time for which it is held.
    run: Vec<f64>,
}

async fn work(database: &Database, workers: usize, hold: Duration, limit: Duration) -> Result<()> {
    ensure!(workers > 0, "--workers must be at least 1");
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for number in 0..workers {
        tasks.spawn(run_worker(database.clone(), number, hold, started + limit));
    }
    let mut times = Times::default();
    while let Some(task) = tasks.join_next().await {
        let own = task??;
        times.claim.extend(own.claim);
        times.check.extend(own.check);
        times.run.extend(own.run);
    }
    let seconds = started.elapsed().as_secs_f64();
    let runs = times.claim.len();
    println!(
        "{}",
        json!({
            "workers": workers, "runs": runs, "seconds": seconds, "claims_per_second": runs as f64 / seconds,
            "claim_ms": percentiles(times.claim), "check_ms": percentiles(times.check), "statements_of_a_run_ms": percentiles(times.run),
        })
    );
    Ok(())
}

/// Claims and completes runs until none is left or the time is over.
async fn run_worker(database: Database, number: usize, hold: Duration, deadline: Instant) -> Result<Times> {
    let id = WorkerId::new_v7();
    let worker = NewWorker {
        id,
        host: &format!("fleet-{number}"),
        pid: i32::try_from(std::process::id())?,
        version: env!("CARGO_PKG_VERSION"),
        slots: 1,
        kinds: &RunKind::ALL,
        backend: "none",
        cpu_kernel: "none",
        memory_bytes: None,
        labels: &WorkerLabels::default(),
    };
    let mut tx = database.begin().await?;
    register_worker(&mut tx, &worker).await?;
    tx.commit().await?;
    let mut times = Times::default();
    while Instant::now() < deadline {
        let requested = Instant::now();
        let mut tx = database.begin().await?;
        let claim = claim_next(&mut tx, id, &RunKind::ALL, LEASE).await?;
        tx.commit().await?;
        let Some(claim) = claim else { break };
        times.claim.push(milliseconds(requested));
        let held = execute(&database, &claim, hold, &mut times.check).await?;
        times.run.push(milliseconds(requested) - held.as_secs_f64() * 1_000.0);
    }
    let mut tx = database.begin().await?;
    stop_worker(&mut tx, id).await?;
    tx.commit().await?;
    Ok(times)
}

/// The statements of an attempt of kind `evaluate`. Returns the time for which the run was held.
async fn execute(database: &Database, claim: &Claim, hold: Duration, checks: &mut Vec<f64>) -> Result<Duration> {
    for phase in [RunPhase::Evaluate, RunPhase::Publish] {
        if phase == RunPhase::Publish {
            keep_lease(database, claim, hold, checks).await?;
        }
        let mut tx = database.begin().await?;
        enter_phase(&mut tx, claim.attempt, Uuid::now_v7(), phase).await?;
        tx.commit().await?;
    }
    let mut tx = database.begin().await?;
    publish(&mut tx, claim.attempt, None, &[]).await?;
    tx.commit().await?;
    Ok(hold)
}

/// Checks for a cancellation and renews the lease, as `worker/src/lease.rs` does.
async fn keep_lease(database: &Database, claim: &Claim, hold: Duration, checks: &mut Vec<f64>) -> Result<()> {
    let (end, mut renewed) = (Instant::now() + hold, Instant::now());
    loop {
        let now = Instant::now();
        if now >= end {
            return Ok(());
        }
        tokio::time::sleep(CANCEL_POLL_INTERVAL.min(end - now)).await;
        let started = Instant::now();
        let mut tx = database.begin().await?;
        if started >= renewed + LEASE / 3 {
            renew_lease(&mut tx, claim.attempt, LEASE).await?;
            renewed = started;
        }
        cancel_was_requested(&mut tx, claim.attempt).await?;
        tx.commit().await?;
        checks.push(milliseconds(started));
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1_000.0
}

fn percentiles(mut times: Vec<f64>) -> serde_json::Value {
    times.sort_by(f64::total_cmp);
    let at = |fraction: f64| times.get(((times.len() as f64 * fraction).ceil() as usize).saturating_sub(1)).copied();
    json!({ "n": times.len(), "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "max": at(1.0) })
}
