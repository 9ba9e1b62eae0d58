//! `aprendiz queue`: queue statistics, and the queues of runs.

use aprendiz_text::count;
use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use clap::Subcommand;
use serde::Deserialize;
use serde_json::Value;

use crate::cli::error::CliError;
use crate::cli::http::{Client, decode};
use crate::cli::operations::queue_settings::{self, SetArgs};
use crate::cli::terminal::{Output, format_time};

/// The API stops counting at this number.
const COUNT_LIMIT: i64 = 100_000;

/// Subcommands of `aprendiz queue`.
#[derive(Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// Show statistics of runs, workers and recent attempts
    #[command(visible_alias = "show", after_help = "Examples:\n  aprendiz queue stats\n  aprendiz queue stats -o json | jq .runs")]
    Stats,
    /// List queues with their weights and limits
    #[command(visible_alias = "ls", after_help = "Examples:\n  aprendiz queue list\n  aprendiz queue list -o json")]
    List,
    /// Create a queue, or change its weight and limits
    Set(SetArgs),
}

#[derive(Debug, Deserialize)]
struct Stats {
    at: DateTime<Utc>,
    runs: Value,
    runnable: i64,
    deferred: i64,
    next_due_at: Option<DateTime<Utc>>,
    oldest_runnable_seconds: Option<f64>,
    unpublished: i64,
    workers: Workers,
    slots: Slots,
    attempts_last_hour: Value,
    wait: Option<Times>,
    duration: Option<Times>,
    redis: Redis,
    #[serde(default)]
    background_tasks: Vec<Task>,
}

#[derive(Debug, Deserialize)]
struct Workers {
    alive: i64,
    listening: i64,
    draining: i64,
}

#[derive(Debug, Deserialize)]
struct Slots {
    total: i64,
    busy: i64,
}

#[derive(Debug, Deserialize)]
struct Times {
    median_seconds: f64,
    p90_seconds: f64,
    runs: i64,
}

#[derive(Debug, Deserialize)]
struct Redis {
    reachable: bool,
    error: Option<String>,
    depth: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Task {
    name: String,
    overdue_after_seconds: f64,
    success_age_seconds: Option<f64>,
    error: Option<String>,
}

pub(crate) async fn run(client: &Client, command: &QueueCommand, output: Output) -> Result<(), CliError> {
    match command {
        QueueCommand::Stats => stats(client, output).await,
        QueueCommand::List => queue_settings::list(client, output).await,
        QueueCommand::Set(args) => queue_settings::set(client, args, output).await,
    }
}

async fn stats(client: &Client, output: Output) -> Result<(), CliError> {
    let value = client.get(&["v1", "queue"]).await?;
    let stats: Stats = decode(&value, "queue statistics")?;
    output.print(&value, || render(&stats))?;
    Ok(())
}

fn render(stats: &Stats) -> String {
    let oldest = stats.oldest_runnable_seconds.map(|seconds| format!(", oldest waiting for {seconds:.0} s")).unwrap_or_default();
    let next = stats.next_due_at.map(|at| format!(", next due at {}", format_time(at))).unwrap_or_default();
    let redis = match (&stats.redis.error, stats.redis.depth) {
        (Some(error), _) => format!("unusable: {error}; workers poll the database"),
        (None, Some(depth)) if stats.redis.reachable => format!("works, {} queued", count(depth, "message")),
        _ => "unreachable: workers poll the database".to_owned(),
    };
    let tasks: Vec<String> = stats.background_tasks.iter().map(task).collect();
    let workers = &stats.workers;
    let times = |times: &Option<Times>| match times {
        Some(times) => {
            format!(
                "median {:.1} s, p90 {:.1} s ({} in the last 24 h)",
                times.median_seconds,
                times.p90_seconds,
                count(times.runs.unsigned_abs(), "run")
            )
        }
        None => "no runs in the last 24 h".to_owned(),
    };
    let facts = [
        ("at", format_time(stats.at)),
        ("runs", counts(&stats.runs, &["queued", "running", "retrying", "cancelling", "succeeded", "failed", "cancelled"])),
        ("runnable", format!("{}{oldest}", bounded(stats.runnable))),
        ("deferred", format!("{}{next}", bounded(stats.deferred))),
        ("unpublished", bounded(stats.unpublished)),
        ("redis", redis),
        ("workers", format!("{} alive, {} listening, {} draining", workers.alive, workers.listening, workers.draining)),
        ("slots", format!("{} of {} busy", stats.slots.busy, stats.slots.total)),
        ("last hour", counts(&stats.attempts_last_hour, &["succeeded", "failed", "cancelled", "released", "lost"])),
        ("wait", times(&stats.wait)),
        ("duration", times(&stats.duration)),
        ("tasks", if tasks.is_empty() { "not reported".to_owned() } else { tasks.join(", ") }),
    ];
    let mut text = String::new();
    for (name, value) in facts {
        let _ = writeln!(text, "{name:<12} {value}");
    }
    text
}

/// When a background task last succeeded, and its error if it is overdue.
fn task(task: &Task) -> String {
    let Task { name, overdue_after_seconds: limit, success_age_seconds, error } = task;
    let error = error.as_ref().map(|error| format!(" ({error})")).unwrap_or_default();
    match success_age_seconds {
        Some(age) if age <= limit => format!("{name} {age:.0} s ago"),
        Some(age) => format!("{name} OVERDUE, last success {age:.0} s ago{error}"),
        None => format!("{name} OVERDUE, no success yet{error}"),
    }
}

/// A count, marked if the API may have stopped counting.
fn bounded(count: i64) -> String {
    if count >= COUNT_LIMIT { format!("{count} or more") } else { count.to_string() }
}

/// Counts by name, without zeros.
fn counts(value: &Value, names: &[&str]) -> String {
    let parts: Vec<String> = names
        .iter()
        .filter_map(|name| value[*name].as_i64().filter(|count| *count > 0).map(|count| format!("{} {name}", bounded(count))))
        .collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn statistics_are_rendered_as_lines() {
        let stats = Stats::deserialize(json!({
            "at": "2026-11-21T12:00:00Z", "runs": { "queued": 3, "running": 0, "failed": 2 }, "runnable": 2, "deferred": 1,
            "next_due_at": "2026-11-21T13:00:00Z", "oldest_runnable_seconds": 12.3, "unpublished": 2,
            "workers": { "alive": 2, "listening": 1, "draining": 0 }, "slots": { "total": 4, "busy": 1 },
            "attempts_last_hour": { "lost": 0 }, "wait": { "median_seconds": 0.04, "p90_seconds": 1.25, "runs": 9 }, "duration": null,
            "redis": { "reachable": true, "error": "Redis is full", "depth": 4 }, "background_tasks": [
                { "name": "reaper", "overdue_after_seconds": 30.0, "success_age_seconds": 41.2, "failure_age_seconds": 1.0, "error": "refused" },
                { "name": "relay", "overdue_after_seconds": 30.0, "success_age_seconds": 1.2, "failure_age_seconds": null, "error": null }
            ]
        }))
        .unwrap();
        let text = render(&stats);
        for line in [
            "runs         3 queued, 2 failed",
            "runnable     2, oldest waiting for 12 s",
            "deferred     1, next due at 2026-11-21T13:00:00Z",
            "redis        unusable: Redis is full; workers poll the database",
            "tasks        reaper OVERDUE, last success 41 s ago (refused), relay 1 s ago",
            "workers      2 alive, 1 listening, 0 draining",
            "slots        1 of 4 busy",
            "last hour    none",
            "wait         median 0.0 s, p90 1.2 s (9 runs in the last 24 h)",
            "duration     no runs in the last 24 h",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
