//! Chaos test: executes many small runs on three workers and two servers under random faults, then checks invariants.

#![expect(clippy::print_stdout, reason = "a tool that reports on standard output")]

mod installation;
mod invariants;
mod random;
mod schedule;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use aprendiz_test_support::{Extent, write_contracts};
use clap::Parser;
use uuid::Uuid;

use crate::installation::Installation;
use crate::invariants::find_violations;
use crate::schedule::{Action, Fault, Work, schedule};

/// Size of the sample: enough to train on, small enough for a run of a second.
const DOCUMENTS: u64 = 120;
/// Time limit for the remaining work after the faults, in addition to the duration of the chaos.
const COMPLETION_TIMEOUT: Duration = Duration::from_secs(180);

/// Time limit for a repeated request after the faults.
const RESUBMIT_TIMEOUT: Duration = Duration::from_secs(60);

/// Inject random faults while hundreds of small runs are executed, then check that nothing was lost, duplicated or left over
///
/// Requires the services of `./dev up`. The seed determines the schedule of runs and faults.
#[derive(Parser)]
#[command(version, name = "aprendiz-chaos")]
struct Arguments {
    /// Duration of the chaos in minutes
    #[arg(long, default_value_t = 2.0)]
    minutes: f64,
    /// Seed of the schedule
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Put PgBouncer in transaction mode in front of PostgreSQL
    #[arg(long)]
    pooler: bool,
    /// Print the schedule and exit
    #[arg(long)]
    plan: bool,
    /// Copy the logs of all processes to this folder
    #[arg(long, value_name = "FOLDER")]
    logs: Option<std::path::PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chaos: {error:#}");
            let pooler = if arguments.pooler { " --pooler" } else { "" };
            eprintln!("reproduce with: ./dev chaos --minutes {} --seed {}{pooler}", arguments.minutes, arguments.seed);
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<()> {
    let length = Duration::from_secs_f64(arguments.minutes * 60.0);
    let actions = schedule(arguments.seed, length);
    if arguments.plan {
        for (at, action) in actions {
            println!("{:8.2} s  {action}", at.as_secs_f64());
        }
        return Ok(());
    }
    let mut installation = Installation::start(arguments.pooler).await;
    let mut export = Vec::new();
    write_contracts(Extent::Documents(DOCUMENTS), 7, &mut export).context("cannot generate the sample")?;
    installation.import(export).await?;

    println!("seed {}, {} s, {} actions", arguments.seed, length.as_secs(), actions.len());
    let outcome = execute(&mut installation, &actions, length).await;
    if let Some(folder) = &arguments.logs {
        std::fs::create_dir_all(folder)?;
        for entry in std::fs::read_dir(installation.logs())? {
            let entry = entry?;
            if entry.path().extension().is_some_and(|extension| extension == "log") {
                std::fs::copy(entry.path(), folder.join(entry.file_name()))?;
            }
        }
    }
    outcome
}

/// Executes the actions, waits until all work is complete, and checks the invariants.
async fn execute(installation: &mut Installation, actions: &[(Duration, Action)], length: Duration) -> Result<()> {
    let started = Instant::now();
    let mut runs: Vec<Uuid> = Vec::new();
    let mut rejected: Vec<(Work, u64)> = Vec::new();
    let mut faults = 0;
    let mut truncated_until = None;
    for (number, (at, action)) in actions.iter().enumerate() {
        tokio::time::sleep(at.saturating_sub(started.elapsed())).await;
        // ends before the next fault
        if truncated_until.is_some_and(|end| started.elapsed() > end || matches!(action, Action::Inject(_))) {
            installation.end_truncation();
            truncated_until = None;
        }
        let pick = |which: u64| runs.get(which as usize % runs.len().max(1)).copied();
        match *action {
            Action::Submit(work) => match installation.submit(work, number as u64).await {
                Ok(run) => runs.push(run),
                Err(_) => rejected.push((work, number as u64)),
            },
            Action::Cancel(which) => {
                if let Some(run) = pick(which) {
                    installation.change_run(run, "cancel").await.ok();
                }
            }
            Action::Retry(which) => {
                if let Some(run) = pick(which) {
                    installation.change_run(run, "retry").await.ok();
                }
            }
            Action::Inject(fault) => {
                println!("{:7.1} s  {action}", started.elapsed().as_secs_f64());
                faults += 1;
                installation.inject(fault).await?;
                if let Fault::TruncateApi(milliseconds) = fault {
                    truncated_until = Some(started.elapsed() + Duration::from_millis(milliseconds));
                }
            }
        }
    }
    println!(
        "{:7.1} s  {} runs accepted, {} requests rejected or not answered, {faults} faults injected; no more faults",
        started.elapsed().as_secs_f64(),
        runs.len(),
        rejected.len()
    );
    installation.end_faults().await;
    // a request without a complete answer may have created its run: repeated with its key, it must not create another one
    for (work, key) in rejected {
        runs.push(resubmit(installation, work, key).await?);
    }
    let ended = Instant::now();
    wait_until_complete(installation, COMPLETION_TIMEOUT + length).await?;
    println!("all work complete after {:.1} s", ended.elapsed().as_secs_f64());
    report(installation).await?;
    // the sweeper must not change objects during the checks
    installation.stop_processes();
    let violations = find_violations(installation.pool(), &installation.env.bucket, &runs).await?;
    if !violations.is_empty() {
        bail!("{} violations:\n  {}", violations.len(), violations.join("\n  "));
    }
    println!("all invariants hold");
    Ok(())
}

/// Repeats a request until it is accepted, after the last fault.
async fn resubmit(installation: &Installation, work: Work, key: u64) -> Result<Uuid> {
    let started = Instant::now();
    loop {
        match installation.submit(work, key).await {
            Err(error) if started.elapsed() > RESUBMIT_TIMEOUT => return Err(error.context("a repeated request is not accepted")),
            Err(_) => tokio::time::sleep(Duration::from_millis(500)).await,
            accepted => return accepted,
        }
    }
}

/// Waits until every run has ended and the sweeper has nothing left to do, or the time limit is reached.
async fn wait_until_complete(installation: &mut Installation, limit: Duration) -> Result<()> {
    let started = Instant::now();
    let unfinished = "SELECT (SELECT count(*) FROM training_runs WHERE status NOT IN ('succeeded', 'failed', 'cancelled'))
        + (SELECT count(*) FROM objects WHERE state <> 'live')
        + (SELECT count(*) FROM checkpoints)";
    loop {
        let left: i64 = sqlx::query_scalar(unfinished).fetch_one(installation.pool()).await?;
        if left == 0 {
            return Ok(());
        }
        if started.elapsed() > limit {
            // the checks report them
            println!("{left} runs or files are not complete after {} s", limit.as_secs());
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        installation.restart_exited().await;
    }
}

/// Prints counts of runs and attempts.
async fn report(installation: &Installation) -> Result<()> {
    for (title, sql) in [
        ("runs", "SELECT concat_ws(' ', kind, status, error_code), count(*) FROM training_runs GROUP BY 1 ORDER BY 1"),
        ("attempts", "SELECT concat_ws(' ', status, error_code), count(*) FROM attempts GROUP BY 1 ORDER BY 1"),
        ("resumed", "SELECT 'from a checkpoint', count(*) FROM attempts WHERE resumed_from_step IS NOT NULL"),
    ] {
        let rows: Vec<(String, i64)> = sqlx::query_as(sql).fetch_all(installation.pool()).await?;
        let rows: Vec<String> = rows.into_iter().map(|(name, count)| format!("{count} {name}")).collect();
        println!("{title}: {}", rows.join(", "));
    }
    Ok(())
}
