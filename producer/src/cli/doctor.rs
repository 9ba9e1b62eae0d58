//! `aprendiz doctor`: checks every service and suggests fixes.

use anyhow::{Context as _, Result, bail};
use aprendiz_artifacts::Store;
use aprendiz_config::Environment;
use aprendiz_queue::Publisher;
use serde::Serialize;

use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::terminal::{Output, table};
use crate::database::{connect_one, require_usable};

#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    detail: String,
}

pub(crate) async fn run(client: &Client, output: Output) -> Result<(), CliError> {
    let (database, redis, bucket, api) = tokio::join!(database(), redis(), bucket(), api(client));
    let checks: Vec<Check> = [("database", database), ("redis", redis), ("bucket", bucket), ("api", api)]
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

async fn redis() -> Result<String> {
    let config = Environment::process().queue()?;
    let depth = async {
        let mut publisher = Publisher::connect(&config).await?;
        publisher.ping().await?;
        publisher.depth().await
    };
    match depth.await {
        Ok(depth) => Ok(format!("{depth} messages queued")),
        Err(error) => bail!("{error}; check REDIS_URL and that Redis is running (runs stay queued in the database meanwhile)"),
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
    if !status.is_success() {
        let failures: Vec<String> = health["checks"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|check| check["state"] == "failed")
            .map(|check| format!("{}: {}", check["name"].as_str().unwrap_or("?"), check["detail"].as_str().unwrap_or("?")))
            .collect();
        bail!("{url} is not ready ({status}): {}", failures.join("; "));
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
        CliError::RunEnded => anyhow::anyhow!("the run did not succeed"),
    }
}
