//! Checks through the API, for which a URL and a key suffice: readiness, key, workers, base models, disks and clock.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use chrono::{DateTime, Utc};
use reqwest::{Method, header};
use serde::Deserialize;
use serde_json::Value;

use crate::cli::error::CliError;
use crate::cli::http::{Client, decode, fetch_items};
use crate::cli::operations::doctor::check::{Check, clock, disk};

/// Maximum number of names in a detail.
const MAX_LISTED: usize = 5;

/// Part of a worker in an API response. Servers of an older version report neither disk nor base models.
#[derive(Debug, Deserialize)]
pub(super) struct Worker {
    host: String,
    state: String,
    slots: i64,
    runs: Vec<Value>,
    #[serde(default)]
    scratch_free_bytes: Option<u64>,
    #[serde(default)]
    base_models: Option<Vec<String>>,
}

/// Checks everything that the API reports. Without an API, only that is reported.
pub(super) async fn check_api(client: &Client) -> Vec<Check> {
    let api = readiness(client).await;
    let is_usable = api.is_ok();
    let mut checks = vec![Check::from_outcome("api", api)];
    match workers(client).await {
        Ok(workers) => checks.extend(worker_checks(&workers)),
        // the reason is in the check before
        Err(_) if !is_usable => {}
        Err(error) => checks.push(Check::from_outcome("workers", Err(into_anyhow(error)))),
    }
    checks.extend(server_clock(client).await);
    checks
}

async fn workers(client: &Client) -> Result<Vec<Worker>, CliError> {
    let items = fetch_items(client, &["v1", "workers"], &[], None).await?;
    Ok(items.iter().map(|item| decode(item, "worker")).collect::<Result<_>>()?)
}

/// What the workers report about themselves.
pub(super) fn worker_checks(workers: &[Worker]) -> Vec<Check> {
    let alive: Vec<&Worker> = workers.iter().filter(|worker| ["idle", "working", "draining"].contains(&worker.state.as_str())).collect();
    let silent = workers.iter().filter(|worker| worker.state == "silent").count();
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    for worker in workers.iter().filter(|worker| worker.state != "stopped") {
        *states.entry(worker.state.as_str()).or_default() += 1;
    }
    let states = states.iter().map(|(state, count)| format!("{count} {state}")).collect::<Vec<_>>().join(", ");
    if alive.is_empty() {
        let silent = if silent == 0 { String::new() } else { format!(" ({states}, no heartbeat for 30 s)") };
        return vec![Check::warning("workers", format!("no worker is alive{silent}, so no run starts: start one with aprendiz-worker"))];
    }
    let (busy, slots) = alive.iter().fold((0, 0), |(busy, slots), worker| (busy + worker.runs.len(), slots + worker.slots));
    let detail = format!("{} alive ({states}), {busy} of {slots} slots busy", alive.len());
    let mut checks = vec![if alive.iter().all(|worker| worker.state == "draining") {
        Check::warning("workers", format!("{detail}: all are draining, so no run starts; start one with aprendiz-worker"))
    } else if silent > 0 {
        Check::warning("workers", format!("{detail}; a silent worker sends no heartbeat: check its host"))
    } else {
        Check::ok("workers", detail)
    }];
    checks.extend(base_models(&alive));
    let free: Vec<(String, u64)> = alive.iter().filter_map(|worker| Some((worker.host.clone(), worker.scratch_free_bytes?))).collect();
    if !free.is_empty() {
        checks.push(disk("scratch", &free, "free space in APRENDIZ_SCRATCH of that worker, or set it to another folder"));
    }
    checks
}

/// Which base models are where; `None` if the server does not report it.
fn base_models(alive: &[&Worker]) -> Option<Check> {
    let mut hosts: BTreeMap<&str, usize> = BTreeMap::new();
    let reporting: Vec<&Vec<String>> = alive.iter().filter_map(|worker| worker.base_models.as_ref()).collect();
    for name in reporting.iter().flat_map(|names| names.iter()) {
        *hosts.entry(name).or_default() += 1;
    }
    if reporting.is_empty() {
        return None;
    }
    if hosts.is_empty() {
        let detail = "no worker has one, so encoders (sentence-transformer, train-st) and field classifiers train only where APRENDIZ_HUB \
                      is set: run `./dev weights`, or `hf download sentence-transformers/all-MiniLM-L6-v2` on the hosts of the workers";
        return Some(Check::warning("base models", detail.to_owned()));
    }
    let all = reporting.len();
    let place = |count: usize| if count == all { String::new() } else { format!(" (on {count} of {all} workers)") };
    let mut names: Vec<String> = hosts.iter().map(|(name, count)| format!("{name}{}", place(*count))).collect();
    let more = names.len().saturating_sub(MAX_LISTED);
    names.truncate(MAX_LISTED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Some(Check::ok("base models", format!("{}{more}", names.join(", "))))
}

/// Compares the clock of this host with that of the server; `None` if the server cannot be asked, which another check reports.
async fn server_clock(client: &Client) -> Option<Check> {
    let before = Utc::now();
    let response = client.request(Method::GET, &["healthz"]).send().await.ok()?;
    let after = Utc::now();
    let date = response.headers().get(header::DATE)?.to_str().ok()?;
    let date = DateTime::parse_from_rfc2822(date).ok()?.to_utc();
    Some(clock("the server", date, before + (after - before) / 2))
}

async fn readiness(client: &Client) -> Result<String> {
    let url = client.base_url();
    let (status, health) = client.probe("readyz").await.map_err(into_anyhow)?;
    let failures: Vec<String> = health["checks"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|check| check["state"] != "ok")
        .map(|check| format!("{}: {}", check["name"].as_str().unwrap_or("?"), check["detail"].as_str().unwrap_or("?")))
        .collect();
    if !status.is_success() {
        bail!("{url} is not ready ({status}): {}", failures.join("; "));
    }
    if !failures.is_empty() {
        bail!("{url} is ready, but degraded: {}", failures.join("; "));
    }
    client.get(&["v1", "models"]).await.map_err(|error| into_anyhow(error).context(format!("{url} is ready, but rejected the API key")))?;
    Ok(format!("{url} is ready, API key accepted"))
}

fn into_anyhow(error: CliError) -> anyhow::Error {
    match error {
        CliError::Failed(error) => error,
        CliError::Usage(text) | CliError::Refused(text) | CliError::Unreachable(text) | CliError::Unavailable(text) => {
            anyhow::anyhow!(text)
        }
        CliError::RunEnded | CliError::MigrationsPending | CliError::Interrupted => anyhow::anyhow!("the run did not succeed"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::operations::doctor::check::CheckState;

    fn worker(state: &str, models: &[&str], free: u64) -> Worker {
        let value = json!({
            "host": "h", "state": state, "slots": 2, "runs": [{}], "scratch_free_bytes": free, "base_models": models
        });
        serde_json::from_value(value).unwrap()
    }

    fn states(workers: &[Worker]) -> Vec<(&'static str, CheckState)> {
        worker_checks(workers).iter().map(|check| (check.name, check.state)).collect()
    }

    #[test]
    fn missing_workers_models_and_disk_are_warnings() {
        const GIB: u64 = 1 << 30;
        assert_eq!(states(&[]), [("workers", CheckState::Warning)]);
        assert_eq!(states(&[worker("silent", &[], GIB)]), [("workers", CheckState::Warning)]);
        let good = [worker("idle", &["all-MiniLM-L6-v2"], 50 * GIB), worker("working", &[], 50 * GIB)];
        let expected = [("workers", CheckState::Ok), ("base models", CheckState::Ok), ("scratch", CheckState::Ok)];
        assert_eq!(states(&good), expected);
        let checks = worker_checks(&good);
        assert_eq!(checks[0].detail, "2 alive (1 idle, 1 working), 2 of 4 slots busy");
        assert_eq!(checks[1].detail, "all-MiniLM-L6-v2 (on 1 of 2 workers)");
        let poor = [worker("draining", &[], 50 << 20)];
        let expected = [("workers", CheckState::Warning), ("base models", CheckState::Warning), ("scratch", CheckState::Failed)];
        assert_eq!(states(&poor), expected);
        let older: Worker = serde_json::from_value(json!({ "host": "h", "state": "idle", "slots": 1, "runs": [] })).unwrap();
        assert_eq!(states(&[older]), [("workers", CheckState::Ok)]);
    }
}
