//! `aprendiz doctor`: checks every service and suggests fixes.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use aprendiz_artifacts::Store;
use aprendiz_config::Environment;
use aprendiz_queue::diagnose;
use aprendiz_runs::{TaskStatus, list_background_tasks};
use serde::Serialize;
use tokio::time::timeout;

use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::terminal::{Output, table};
use crate::database::{background_session, connect, connect_one, require_usable, schema_state};

/// Channel of a notification to this process.
const NOTIFY_CHANNEL: &str = "aprendiz_doctor";
const NOTIFY_TIMEOUT: Duration = Duration::from_secs(10);
/// Idle time of a session, as reaper and sweeper limit theirs.
const SESSION_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    detail: String,
}

pub(crate) async fn run(client: &Client, output: Output) -> Result<(), CliError> {
    let (database, sessions, redis, bucket, api, tasks) =
        tokio::join!(database(), background_sessions(), redis(), bucket(), api(client), background_tasks());
    let outcomes = [("database", database), ("sessions", sessions), ("redis", redis), ("bucket", bucket), ("api", api), ("tasks", tasks)];
    let checks: Vec<Check> = outcomes
        .into_iter()
        .map(|(name, outcome)| match outcome {
            Ok(detail) => Check { name, ok: true, detail },
            Err(error) => Check { name, ok: false, detail: format!("{error:#}") },
        })
        .collect();
    output.print(&checks, || {
        let rows: Vec<Vec<String>> = checks
            .iter()
            .map(|check| vec![check.name.to_owned(), if check.ok { "ok" } else { "FAILED" }.to_owned(), check.detail.clone()])
            .collect();
        table(&["service", "state", "detail"], &[], &rows)
    })?;
    let failed = checks.iter().filter(|check| !check.ok).count();
    if failed == 0 { Ok(()) } else { Err(CliError::Failed(anyhow::anyhow!("{failed} of {} checks failed", checks.len()))) }
}

async fn database() -> Result<String> {
    let config = Environment::process().database()?;
    let mut conn = connect_one(&config).await?;
    let schema = require_usable(&mut conn).await.with_context(|| config.location())?;
    Ok(format!("{}, {schema}", config.location()))
}

/// Connects as relay, reaper and sweeper do, and receives a notification.
async fn background_sessions() -> Result<String> {
    let config = Environment::process().database()?;
    let session = background_session(&connect(&config).await?, "aprendiz-doctor", Some(SESSION_TIMEOUT));
    let notified = async {
        let mut conn = session.connect().await?;
        let mut listener = session.listen(NOTIFY_CHANNEL).await?;
        sqlx::query("SELECT pg_notify($1, '')").bind(NOTIFY_CHANNEL).execute(&mut conn).await?;
        listener.recv().await
    };
    match timeout(NOTIFY_TIMEOUT, notified).await {
        Ok(Ok(_)) => Ok("sessions and notifications of the background tasks work".to_owned()),
        Ok(Err(error)) => bail!(
            "the background tasks of aprendiz serve cannot connect ({error}): check DATABASE_URL, or APRENDIZ_DATABASE_DIRECT_URL behind a pooler"
        ),
        Err(_) => bail!(
            "no notification arrived within {} s: set APRENDIZ_DATABASE_DIRECT_URL if DATABASE_URL leads to a pooler",
            NOTIFY_TIMEOUT.as_secs()
        ),
    }
}

/// When each background task last succeeded on any server.
async fn background_tasks() -> Result<String> {
    let config = Environment::process().database()?;
    let mut conn = connect_one(&config).await?;
    if !schema_state(&mut conn).await?.is_usable() {
        bail!("not checked, because migrations are not applied");
    }
    let tasks = list_background_tasks(&mut conn).await?;
    let overdue: Vec<String> = tasks.iter().filter(|task| task.is_overdue()).map(describe_overdue).collect();
    if !overdue.is_empty() {
        bail!("{}: check that aprendiz serve runs, and its log", overdue.join("; "));
    }
    let ages = tasks.iter().filter_map(|task| Some(format!("{} {:.0} s ago", task.name, task.success_age_seconds?)));
    let ages: Vec<String> = ages.collect();
    Ok(if ages.is_empty() { "no server has run yet".to_owned() } else { format!("last successful rounds: {}", ages.join(", ")) })
}

fn describe_overdue(task: &TaskStatus) -> String {
    let error = task.current_error().map(|error| format!(" ({error})")).unwrap_or_default();
    match task.success_age_seconds {
        Some(age) => format!("{}: no successful round for {age:.0} s{error}", task.name),
        None => format!("{}: no successful round yet{error}", task.name),
    }
}

async fn redis() -> Result<String> {
    let config = Environment::process().queue()?;
    match diagnose(&config).await {
        Ok(depth) => Ok(format!("writes, wake-ups and messages work, {depth} messages queued")),
        Err(diagnosis) => {
            bail!("{diagnosis}; {} (runs start only when workers poll meanwhile)", config.advice(diagnosis.error.fault()))
        }
    }
}

async fn bucket() -> Result<String> {
    let config = Environment::process().store()?;
    let store = Store::connect(&config).await?;
    let failures: Vec<String> = store.probe().await.iter().map(ToString::to_string).collect();
    if !failures.is_empty() {
        bail!("{}", failures.join("; "));
    }
    Ok(format!("bucket `{}`: listed, wrote, read and deleted a small and a multipart object", store.bucket()))
}

async fn api(client: &Client) -> Result<String> {
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
        CliError::RunEnded | CliError::Interrupted => anyhow::anyhow!("the run did not succeed"),
    }
}
