//! `aprendiz doctor`: looks at each service and says how to mend it.

use anyhow::{Result, bail};
use artifacts::Store;
use environment::Environment;
use queue::Announcer;
use serde::Serialize;

use crate::cli::client::Client;
use crate::cli::exit::CliError;
use crate::cli::output::{Output, table};
use crate::database::{connect_one, schema_state};

#[derive(Debug, Serialize)]
struct Finding {
    name: &'static str,
    ok: bool,
    detail: String,
}

pub(crate) async fn run(client: &Client, output: Output) -> Result<(), CliError> {
    let (database, redis, bucket, api) = tokio::join!(database(), redis(), bucket(), api(client));
    let findings: Vec<Finding> = [("database", database), ("redis", redis), ("bucket", bucket), ("api", api)]
        .into_iter()
        .map(|(name, outcome)| match outcome {
            Ok(detail) => Finding { name, ok: true, detail },
            Err(error) => Finding { name, ok: false, detail: format!("{error:#}") },
        })
        .collect();
    output.print(&findings, || {
        let rows: Vec<Vec<String>> = findings
            .iter()
            .map(|finding| vec![finding.name.to_owned(), if finding.ok { "ok" } else { "FAILED" }.to_owned(), finding.detail.clone()])
            .collect();
        table(&["service", "state", "detail"], &[], &rows)
    })?;
    let failed = findings.iter().filter(|finding| !finding.ok).count();
    if failed == 0 { Ok(()) } else { Err(CliError::Failed(anyhow::anyhow!("{failed} of {} services need attention", findings.len()))) }
}

async fn database() -> Result<String> {
    let config = Environment::process().database()?;
    let mut conn = connect_one(&config).await?;
    let schema = schema_state(&mut conn).await?;
    if schema.is_usable() {
        Ok(format!("{}, {}", config.place(), schema.in_words()))
    } else {
        bail!("{}: {}", config.place(), schema.in_words())
    }
}

async fn redis() -> Result<String> {
    let config = Environment::process().queue()?;
    let depth = async {
        let mut announcer = Announcer::connect(&config).await?;
        announcer.ping().await?;
        announcer.depth().await
    };
    match depth.await {
        Ok(depth) => Ok(format!("{depth} announcements wait")),
        Err(error) => bail!("{error}; check REDIS_URL and that Redis runs (runs wait in the database meanwhile)"),
    }
}

async fn bucket() -> Result<String> {
    let config = Environment::process().store()?;
    let store = Store::connect(&config).await;
    store.check().await?;
    Ok(format!("`{}` answers", store.bucket()))
}

async fn api(client: &Client) -> Result<String> {
    let address = client.address();
    let (status, health) = client.probe("readyz").await.map_err(into_anyhow)?;
    if !status.is_success() {
        let ill: Vec<String> = health["checks"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|check| check["state"] == "failed")
            .map(|check| format!("{}: {}", check["name"].as_str().unwrap_or("?"), check["detail"].as_str().unwrap_or("?")))
            .collect();
        bail!("{address} is not ready ({status}) {}", ill.join("; "));
    }
    client.get(&["v1", "models"]).await.map_err(|error| into_anyhow(error).context(format!("{address} is ready, but refuses the key")))?;
    Ok(format!("{address} answers, and the key works"))
}

fn into_anyhow(error: CliError) -> anyhow::Error {
    match error {
        CliError::Failed(error) => error,
        CliError::Usage(text) | CliError::Refused(text) | CliError::Unreachable(text) => anyhow::anyhow!(text),
        CliError::RunEnded => anyhow::anyhow!("the run has ended"),
    }
}
