//! Chaos: many small runs on three workers and two servers while everything breaks at random, then a check of what must hold.

#![expect(clippy::print_stdout, reason = "a tool that reports on standard output")]

mod checks;
mod plan;
mod random;
mod stage;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use test_support::{Extent, write_contracts};
use uuid::Uuid;

use crate::plan::Action;
use crate::stage::Stage;

/// Documents to learn from: enough to train on, few enough for a run of a second.
const DOCUMENTS: u64 = 120;
/// How long everything may take to come to rest, beside as long again as the chaos lasted.
const REST: Duration = Duration::from_secs(180);

/// Breaks everything at random while hundreds of small runs go through, then checks that nothing is lost, doubled or left over.
///
/// Needs the services of `./dev up`. The seed decides the schedule: what happens, to whom, when.
#[derive(Parser)]
#[command(version, name = "aprendiz-chaos")]
struct Arguments {
    /// How long things break
    #[arg(long, default_value_t = 2.0)]
    minutes: f64,
    /// Decides the schedule
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only print the schedule
    #[arg(long)]
    plan: bool,
    /// Keep the logs of all processes in this folder
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
            eprintln!("again: ./dev chaos --minutes {} --seed {}", arguments.minutes, arguments.seed);
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<()> {
    let length = Duration::from_secs_f64(arguments.minutes * 60.0);
    let plan = plan::of(arguments.seed, length);
    if arguments.plan {
        for (at, action) in plan {
            println!("{:8.2} s  {action}", at.as_secs_f64());
        }
        return Ok(());
    }
    let mut stage = Stage::set().await;
    let mut export = Vec::new();
    write_contracts(Extent::Documents(DOCUMENTS), 7, &mut export).context("the sample")?;
    stage.import(export).await?;

    println!("seed {}, {} s, {} actions", arguments.seed, length.as_secs(), plan.len());
    let outcome = play(&mut stage, &plan, length).await;
    if let Some(folder) = &arguments.logs {
        std::fs::create_dir_all(folder)?;
        for entry in std::fs::read_dir(stage.logs())? {
            let entry = entry?;
            if entry.path().extension().is_some_and(|extension| extension == "log") {
                std::fs::copy(entry.path(), folder.join(entry.file_name()))?;
            }
        }
    }
    outcome
}

async fn play(stage: &mut Stage, plan: &[(Duration, Action)], length: Duration) -> Result<()> {
    let started = Instant::now();
    let mut runs: Vec<Uuid> = Vec::new();
    let (mut refused, mut faults) = (0, 0);
    for (number, (at, action)) in plan.iter().enumerate() {
        tokio::time::sleep(at.saturating_sub(started.elapsed())).await;
        let pick = |which: u64| runs.get(which as usize % runs.len().max(1)).copied();
        match *action {
            Action::Submit(work) => match stage.submit(work, number as u64).await {
                Ok(run) => runs.push(run),
                Err(_) => refused += 1,
            },
            Action::Cancel(which) => {
                if let Some(run) = pick(which) {
                    stage.act(run, "cancel").await.ok();
                }
            }
            Action::Retry(which) => {
                if let Some(run) = pick(which) {
                    stage.act(run, "retry").await.ok();
                }
            }
            Action::Break(fault) => {
                println!("{:7.1} s  {action}", started.elapsed().as_secs_f64());
                faults += 1;
                stage.inflict(fault).await?;
            }
        }
    }
    println!(
        "{:7.1} s  {} runs accepted, {refused} requests refused, {faults} faults; now everything is healed",
        started.elapsed().as_secs_f64(),
        runs.len()
    );
    stage.heal().await;
    let healed = Instant::now();
    rest(stage, REST + length).await?;
    println!("at rest after {:.1} s", healed.elapsed().as_secs_f64());
    report(stage).await?;
    // the sweeper would go on while its work is looked at
    stage.close();
    let violations = checks::all(stage.pool(), &stage.env.bucket, &runs).await?;
    if !violations.is_empty() {
        bail!("{} violations:\n  {}", violations.len(), violations.join("\n  "));
    }
    println!("all invariants hold");
    Ok(())
}

/// Waits until every run has ended and the sweeper has nothing left to do.
async fn rest(stage: &mut Stage, limit: Duration) -> Result<()> {
    let started = Instant::now();
    let busy = "SELECT (SELECT count(*) FROM training_runs WHERE status NOT IN ('succeeded', 'failed', 'cancelled'))
        + (SELECT count(*) FROM objects WHERE state <> 'live')
        + (SELECT count(*) FROM checkpoints)";
    loop {
        let left: i64 = sqlx::query_scalar(busy).fetch_one(stage.pool()).await?;
        if left == 0 {
            return Ok(());
        }
        if started.elapsed() > limit {
            // the checks will name them
            println!("{left} runs or files are not at rest after {} s", limit.as_secs());
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        stage.revive().await;
    }
}

async fn report(stage: &Stage) -> Result<()> {
    for (title, sql) in [
        ("runs", "SELECT concat_ws(' ', kind, status, error_code), count(*) FROM training_runs GROUP BY 1 ORDER BY 1"),
        ("attempts", "SELECT concat_ws(' ', status, error_code), count(*) FROM attempts GROUP BY 1 ORDER BY 1"),
        ("resumed", "SELECT 'from a checkpoint', count(*) FROM attempts WHERE resumed_from_step IS NOT NULL"),
    ] {
        let rows: Vec<(String, i64)> = sqlx::query_as(sql).fetch_all(stage.pool()).await?;
        let rows: Vec<String> = rows.into_iter().map(|(name, count)| format!("{count} {name}")).collect();
        println!("{title}: {}", rows.join(", "));
    }
    Ok(())
}
