//! `aprendiz worker`: who works, and asking one to drain.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::sleep;
use uuid::Uuid;

use crate::cli::client::Client;
use crate::cli::exit::CliError;
use crate::cli::output::{Output, human_bytes, table};
use crate::cli::pages::pages;
use crate::cli::run::time;

/// How often a draining worker is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Fewer characters of an id are too easily meant for a host.
const SHORTEST_PREFIX: usize = 4;

/// What to do with workers.
#[derive(Debug, Subcommand)]
pub(crate) enum WorkerCommand {
    /// List workers that are alive, newest first
    List {
        /// Also those that have stopped or are long silent
        #[arg(long)]
        all: bool,
    },
    /// Ask workers to finish what they run, claim nothing more, and end
    Drain(DrainArgs),
}

/// Whom to drain, and how.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aprendiz worker drain 01a1fd04 --wait          finish what it runs, and tell when it has ended
  aprendiz worker drain gpu-host-2 --hand-back   all workers of a host; other workers continue their runs from a checkpoint")]
pub(crate) struct DrainArgs {
    /// Id of a worker, the beginning of one, or the name of a host, which means all its workers
    #[arg(value_name = "ID|HOST")]
    target: String,
    /// Hand running runs back with a checkpoint instead of finishing them
    #[arg(long)]
    hand_back: bool,
    /// Wait until they have ended
    #[arg(long)]
    wait: bool,
}

#[derive(Debug, Clone, Deserialize)]
struct Worker {
    id: Uuid,
    host: String,
    pid: Option<i32>,
    version: String,
    slots: i32,
    kinds: Vec<String>,
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
    let items = all_workers(client, all).await?;
    let workers = parse(&items)?;
    output.print(&items, || text(&workers))?;
    Ok(())
}

async fn all_workers(client: &Client, all: bool) -> Result<Vec<Value>, CliError> {
    pages(client, &["v1", "workers"], &[("all", all.to_string())], None).await
}

fn parse(items: &[Value]) -> anyhow::Result<Vec<Worker>> {
    let workers: Result<_, _> = items.iter().map(Worker::deserialize).collect();
    workers.context("the API answered workers that are not from this version of Aprendiz")
}

fn text(workers: &[Worker]) -> String {
    if workers.is_empty() {
        return "no worker is alive: start one with aprendiz-worker; --all shows those that were".to_owned();
    }
    let rows: Vec<Vec<String>> = workers
        .iter()
        .map(|worker| {
            let place = worker.pid.map_or_else(|| worker.host.clone(), |pid| format!("{}:{pid}", worker.host));
            vec![
                worker.id.to_string(),
                place,
                worker.state.clone(),
                format!("{}/{}", worker.runs.len(), worker.slots),
                worker.kinds.join(","),
                format!("{} {}", worker.backend, worker.cpu_kernel),
                worker.memory_bytes.map(human_bytes).unwrap_or_default(),
                if worker.listening { "yes" } else { "no" }.to_owned(),
                worker.version.clone(),
                time(worker.stopped_at.unwrap_or(worker.heartbeat_at)),
            ]
        })
        .collect();
    let heading = ["worker", "host", "state", "busy", "kinds", "arithmetic", "memory", "listening", "version", "last heard"];
    let mut text = table(&heading, &["busy", "memory"], &rows);
    let runs: Vec<Vec<String>> = workers
        .iter()
        .flat_map(|worker| worker.runs.iter().map(move |run| (worker, run)))
        .map(|(worker, run)| {
            vec![
                run.run_id.to_string(),
                run.model.clone(),
                run.attempt_number.to_string(),
                run.phase.clone().unwrap_or_default(),
                time(run.started_at),
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

async fn drain(client: &Client, args: &DrainArgs, output: Output) -> Result<(), CliError> {
    let ids = match args.target.parse::<Uuid>() {
        Ok(id) => vec![id],
        Err(_) => meant(&parse(&all_workers(client, false).await?)?, &args.target)?,
    };
    let mut asked = Vec::new();
    for id in &ids {
        let request = client.request(Method::POST, &["v1", "workers", &id.to_string(), "drain"]);
        asked.push(client.json::<Value>(request.json(&json!({ "hand_back": args.hand_back }))).await?);
    }
    if args.wait {
        for worker in &mut asked {
            *worker = ended(client, worker.take()).await?;
        }
    }
    let workers = parse(&asked)?;
    output.print(&asked, || {
        let lines = workers.iter().map(|worker| match worker.runs.len() {
            _ if worker.stopped_at.is_some() => format!("worker {} on {} has stopped", worker.id, worker.host),
            0 => format!("worker {} on {} drains: it has no run and ends at once", worker.id, worker.host),
            runs => {
                let them = if runs == 1 { "1 run".to_owned() } else { format!("{runs} runs") };
                let how = if args.hand_back { "hands back" } else { "finishes" };
                format!("worker {} on {} drains: it {how} {them} and ends", worker.id, worker.host)
            }
        });
        lines.collect::<Vec<_>>().join("\n")
    })?;
    Ok(())
}

/// The workers that the beginning of an id, or a host, means.
fn meant(workers: &[Worker], target: &str) -> Result<Vec<Uuid>, CliError> {
    let on_host: Vec<Uuid> =
        workers.iter().filter(|worker| worker.host == target && worker.stopped_at.is_none()).map(|worker| worker.id).collect();
    if !on_host.is_empty() {
        return Ok(on_host);
    }
    let prefix = target.to_ascii_lowercase();
    let found: Vec<&Worker> = if prefix.len() >= SHORTEST_PREFIX {
        workers.iter().filter(|worker| worker.id.to_string().starts_with(&prefix)).collect()
    } else {
        Vec::new()
    };
    match found.as_slice() {
        [worker] => Ok(vec![worker.id]),
        [] => Err(CliError::Refused(format!(
            "no worker alive has the host `{target}` or an id that begins so (at least {SHORTEST_PREFIX} characters): aprendiz worker list shows them"
        ))),
        several => {
            let ids: Vec<String> = several.iter().map(|worker| worker.id.to_string()).collect();
            Err(CliError::Usage(format!("`{target}` begins the ids of {} workers: {}", several.len(), ids.join(", "))))
        }
    }
}

/// Waits until a worker has stopped; one that falls silent meanwhile did not end in good order.
async fn ended(client: &Client, mut worker: Value) -> Result<Value, CliError> {
    loop {
        let seen = Worker::deserialize(&worker).context("unexpected worker")?;
        if seen.stopped_at.is_some() {
            return Ok(worker);
        }
        if seen.state == "silent" {
            return Err(CliError::Failed(anyhow!(
                "worker {} on {} has not been heard of since {}: its process or host is gone, and others take over its runs",
                seen.id,
                seen.host,
                time(seen.heartbeat_at)
            )));
        }
        sleep(LOOK).await;
        worker = client.get(&["v1", "workers", &seen.id.to_string()]).await?;
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
    fn a_host_means_all_its_workers_and_a_prefix_one() {
        let workers = [worker(1 << 120, "a"), worker(2 << 120, "a"), worker((2 << 120) + 1, "b")];
        assert_eq!(meant(&workers, "a").unwrap(), [workers[0].id, workers[1].id]);
        assert_eq!(meant(&workers, "0100").unwrap(), [workers[0].id]);
        assert!(matches!(meant(&workers, "0200"), Err(CliError::Usage(text)) if text.contains("2 workers")));
        assert!(matches!(meant(&workers, "01"), Err(CliError::Refused(_))), "too short to be meant");
        assert!(matches!(meant(&workers, "c"), Err(CliError::Refused(_))));
    }

    #[test]
    fn workers_are_a_table_and_their_runs_another() {
        let mut busy = worker(1, "a");
        assert!(!text(std::slice::from_ref(&busy)).contains("since"));
        busy.runs.push(CurrentRun {
            run_id: Uuid::nil(),
            attempt_number: 2,
            model: "contracts".to_owned(),
            phase: Some("train".to_owned()),
            started_at: busy.heartbeat_at,
        });
        let text = text(&[busy]);
        assert!(text.contains("a:7") && text.contains("1/2") && text.contains("contracts") && text.contains("train"), "{text}");
    }
}
