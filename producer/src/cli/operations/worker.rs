//! `aprendiz worker`: list and drain workers.

use aprendiz_text::count;
use std::time::Duration;

use anyhow::anyhow;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::sleep;
use uuid::Uuid;

use crate::cli::arguments::{IdArg, WaitArgs, choose_among, interruptible};
use crate::cli::error::CliError;
use crate::cli::http::{Client, decode, fetch_items};
use crate::cli::terminal::{Output, format_time, human_bytes, id_cell, print_message, table, time_cell};

/// How often the state of a draining worker is polled.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Subcommands of `aprendiz worker`.
#[derive(Debug, Subcommand)]
pub(crate) enum WorkerCommand {
    /// List workers, newest first
    #[command(visible_alias = "ls", after_help = LIST_EXAMPLES)]
    List {
        /// Include stopped workers, and workers without a heartbeat for an hour
        #[arg(long)]
        all: bool,
    },
    /// Drain workers: let them finish their runs, claim no new ones and exit
    Drain(DrainArgs),
}

const LIST_EXAMPLES: &str = "\
Examples:
  aprendiz worker list
  aprendiz worker list --all --columns worker,host,state,last-seen";

/// Arguments of `aprendiz worker drain`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aprendiz worker drain 68ecd237a2dc --wait      let it finish its runs, and wait until it exits
  aprendiz worker drain gpu-host-2 --release-runs drain all workers of a host; other workers resume their runs from a checkpoint")]
pub(crate) struct DrainArgs {
    /// Worker ID, beginning or end of one, `@latest`, or host name (selects all workers on that host)
    #[arg(value_name = "ID|HOST")]
    target: String,
    /// Release runs with a checkpoint instead of finishing them
    #[arg(long)]
    release_runs: bool,
    #[command(flatten)]
    wait: WaitArgs,
}

#[derive(Debug, Clone, Deserialize)]
struct Worker {
    id: Uuid,
    host: String,
    pid: Option<i32>,
    version: String,
    slots: i32,
    kinds: Vec<String>,
    #[serde(default)]
    labels: Vec<String>,
    backend: String,
    cpu_kernel: String,
    memory_bytes: Option<u64>,
    listening: bool,
    state: String,
    heartbeat_at: DateTime<Utc>,
    stopped_at: Option<DateTime<Utc>>,
    runs: Vec<CurrentRun>,
}

#[derive(Debug, Clone, Deserialize)]
struct CurrentRun {
    run_id: Uuid,
    attempt_number: i32,
    model: String,
    phase: Option<String>,
    started_at: DateTime<Utc>,
}

pub(crate) async fn run(client: &Client, command: &WorkerCommand, output: Output) -> Result<(), CliError> {
    match command {
        WorkerCommand::List { all } => list(client, *all, output).await,
        WorkerCommand::Drain(args) => drain(client, args, output).await,
    }
}

async fn list(client: &Client, all: bool, output: Output) -> Result<(), CliError> {
    let items = fetch_workers(client, all).await?;
    let workers = parse(&items)?;
    output.print(&items, || render(&workers))?;
    Ok(())
}

async fn fetch_workers(client: &Client, all: bool) -> Result<Vec<Value>, CliError> {
    fetch_items(client, &["v1", "workers"], &[("all", all.to_string())], None).await
}

fn parse(items: &[Value]) -> anyhow::Result<Vec<Worker>> {
    items.iter().map(|item| decode(item, "worker")).collect()
}

fn render(workers: &[Worker]) -> String {
    if workers.is_empty() {
        return "no live workers: start one with aprendiz-worker, or list past workers with --all".to_owned();
    }
    let rows: Vec<Vec<String>> = workers
        .iter()
        .map(|worker| {
            let address = worker.pid.map_or_else(|| worker.host.clone(), |pid| format!("{}:{pid}", worker.host));
            vec![
                id_cell(&worker.id),
                address,
                worker.state.clone(),
                format!("{}/{}", worker.runs.len(), worker.slots),
                worker.kinds.join(","),
                labels_cell(&worker.labels),
                format!("{} {}", worker.backend, worker.cpu_kernel),
                worker.memory_bytes.map(human_bytes).unwrap_or_default(),
                if worker.listening { "yes" } else { "no" }.to_owned(),
                worker.version.clone(),
                time_cell(worker.stopped_at.unwrap_or(worker.heartbeat_at)),
            ]
        })
        .collect();
    let header = ["worker", "host", "state", "busy", "kinds", "labels", "backend", "memory", "listening", "version", "last seen"];
    let mut text = table(&header, &["busy", "memory"], &rows);
    let runs: Vec<Vec<String>> = workers
        .iter()
        .flat_map(|worker| worker.runs.iter().map(move |run| (worker, run)))
        .map(|(worker, run)| {
            vec![
                id_cell(&run.run_id),
                run.model.clone(),
                run.attempt_number.to_string(),
                run.phase.clone().unwrap_or_default(),
                time_cell(run.started_at),
                worker.host.clone(),
            ]
        })
        .collect();
    if !runs.is_empty() {
        text.push('\n');
        text.push_str(&table(&["run", "model", "attempt", "phase", "since", "host"], &["attempt"], &runs));
    }
    text
}

/// The labels of a worker, without the backend of every build.
fn labels_cell(labels: &[String]) -> String {
    labels.iter().filter(|label| *label != "backend=flex").map(String::as_str).collect::<Vec<_>>().join(",")
}

async fn drain(client: &Client, args: &DrainArgs, output: Output) -> Result<(), CliError> {
    let ids = match args.target.parse::<Uuid>() {
        Ok(id) => vec![id],
        Err(_) => resolve_target(&parse(&fetch_workers(client, false).await?)?, &args.target)?,
    };
    let mut drained = Vec::new();
    for id in &ids {
        let request = client.request(Method::POST, &["v1", "workers", &id.to_string(), "drain"]);
        drained.push(client.json::<Value>(request.json(&json!({ "release_runs": args.release_runs }))).await?);
    }
    if args.wait.wait {
        for worker in &mut drained {
            let id = worker["id"].as_str().unwrap_or_default().to_owned();
            *worker = interruptible(wait_until_stopped(client, worker.take()), || {
                print_message(&format!("worker {id} goes on draining; see it with `aprendiz worker list`"));
            })
            .await?;
        }
    }
    let workers = parse(&drained)?;
    output.print(&drained, || {
        let lines = workers.iter().map(|worker| match worker.runs.len() {
            _ if worker.stopped_at.is_some() => format!("worker {} on {} has stopped", worker.id, worker.host),
            0 => format!("worker {} on {} is draining: no runs, exits immediately", worker.id, worker.host),
            runs => {
                let count = count(runs as u64, "run");
                let action = if args.release_runs { "releases" } else { "finishes" };
                format!("worker {} on {} is draining: {action} {count}, then exits", worker.id, worker.host)
            }
        });
        lines.collect::<Vec<_>>().join("\n")
    })?;
    Ok(())
}

/// Resolves a host name or a part of an ID to worker IDs.
fn resolve_target(workers: &[Worker], target: &str) -> Result<Vec<Uuid>, CliError> {
    let on_host: Vec<Uuid> =
        workers.iter().filter(|worker| worker.host == target && worker.stopped_at.is_none()).map(|worker| worker.id).collect();
    if !on_host.is_empty() {
        return Ok(on_host);
    }
    let known: Vec<(Uuid, String)> = workers.iter().map(|worker| (worker.id, format!("{} {}", worker.host, worker.state))).collect();
    let found = target.parse::<IdArg>().ok().map_or(Ok(None), |id| choose_among(&id, "worker", &known))?;
    found.map(|id| vec![id]).ok_or_else(|| {
        CliError::Refused(format!(
            "no live worker matches `{target}` as a host name, or as the beginning or end of an ID: list workers with `aprendiz worker list`"
        ))
    })
}

/// Waits until a worker has stopped. A worker that stops sending heartbeats is an error.
async fn wait_until_stopped(client: &Client, mut worker: Value) -> Result<Value, CliError> {
    loop {
        let seen: Worker = decode(&worker, "worker")?;
        if seen.stopped_at.is_some() {
            return Ok(worker);
        }
        if seen.state == "silent" {
            return Err(CliError::Failed(anyhow!(
                "worker {} on {} has not sent a heartbeat since {}: its process or host is down, and other workers take over its runs",
                seen.id,
                seen.host,
                format_time(seen.heartbeat_at)
            )));
        }
        sleep(POLL_INTERVAL).await;
        worker = client.get_with_retry(&["v1", "workers", &seen.id.to_string()]).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(id: u128, host: &str) -> Worker {
        let value = json!({
            "id": Uuid::from_u128(id), "host": host, "pid": 7, "version": "0.1.0", "slots": 2, "kinds": ["linear"], "backend": "flex",
            "cpu_kernel": "avx2", "memory_bytes": 1 << 30, "listening": true, "state": "idle", "heartbeat_at": "2026-11-21T12:00:00Z",
            "stopped_at": null, "runs": []
        });
        Worker::deserialize(value).unwrap()
    }

    #[test]
    fn hosts_match_all_their_workers_and_prefixes_one() {
        let workers = [worker(1 << 120, "a"), worker(2 << 120, "a"), worker((2 << 120) + 1, "b")];
        assert_eq!(resolve_target(&workers, "a").unwrap(), [workers[0].id, workers[1].id]);
        assert_eq!(resolve_target(&workers, "0100").unwrap(), [workers[0].id]);
        assert!(matches!(resolve_target(&workers, "0200"), Err(CliError::Usage(text)) if text.contains("several workers")));
        assert!(matches!(resolve_target(&workers, "01"), Err(CliError::Refused(_))), "too short");
        assert!(matches!(resolve_target(&workers, "c"), Err(CliError::Refused(_))));
    }

    #[test]
    fn runs_are_listed_in_a_second_table() {
        let mut busy = worker(1, "a");
        assert!(!render(std::slice::from_ref(&busy)).contains("since"));
        busy.runs.push(CurrentRun {
            run_id: Uuid::nil(),
            attempt_number: 2,
            model: "contracts".to_owned(),
            phase: Some("train".to_owned()),
            started_at: busy.heartbeat_at,
        });
        busy.labels = ["backend=cuda", "backend=flex", "gpu"].map(str::to_owned).to_vec();
        let text = render(&[busy]);
        assert!(text.contains(" backend=cuda,gpu "), "{text}");
        assert!(text.contains("a:7") && text.contains("1/2") && text.contains("contracts") && text.contains("train"), "{text}");
    }
}
