//! `aprendiz model`: list and download published models.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use clap::Subcommand;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::error::CliError;
use crate::cli::http::download::{LocalFile, RemoteFile, download, summary};
use crate::cli::http::{Client, decode};
use crate::cli::lineage;
use crate::cli::model_thresholds::{self, ThresholdsArgs};
use crate::cli::terminal::{Output, format_minute, table};

/// Subcommands of `aprendiz model`.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// List published models
    List,
    /// List the versions of a model, newest first
    Versions {
        /// Model name
        name: String,
    },
    /// Show the run, the dataset snapshot and the reviewers behind a version
    Lineage {
        /// Model name
        name: String,
        /// Version number
        number: i32,
    },
    /// Show the thresholds of a version, or change their target accuracy without training
    #[command(
        after_help = "Examples:\n  aprendiz model thresholds contracts\n  aprendiz model thresholds contracts --target 0.9 --field contract_type"
    )]
    Thresholds(ThresholdsArgs),
    /// Download a version: weights, configuration, model card, metrics and manifest
    #[command(after_help = "Example:\n  aprendiz model download contracts -d ./contracts")]
    Download {
        /// Model name
        name: String,
        /// Version number (default: newest)
        #[arg(long)]
        number: Option<i32>,
        /// Output directory (default: NAME-NUMBER)
        #[arg(short, long)]
        dir: Option<PathBuf>,
    },
}

#[derive(Deserialize)]
struct Summary {
    name: String,
    newest_version: i32,
    published_at: DateTime<Utc>,
}

/// A published model version.
#[derive(Deserialize)]
pub(crate) struct Version {
    pub(crate) model: String,
    pub(crate) number: i32,
    run_id: Uuid,
    dataset_id: Uuid,
    pub(crate) manifest_sha256: String,
    files: Vec<RemoteFile>,
    pub(crate) card: Value,
    created_at: DateTime<Utc>,
}

pub(crate) async fn run(client: &Client, command: &ModelCommand, output: Output) -> Result<(), CliError> {
    match command {
        ModelCommand::List => list(client, output).await,
        ModelCommand::Versions { name } => versions(client, name, output).await,
        ModelCommand::Lineage { name, number } => lineage::print_model_lineage(client, name, *number, output).await,
        ModelCommand::Thresholds(args) => model_thresholds::run(client, args, output).await,
        ModelCommand::Download { name, number, dir } => fetch(client, name, *number, dir.clone(), output).await,
    }
}

async fn list(client: &Client, output: Output) -> Result<(), CliError> {
    let models = client.get(&["v1", "models"]).await?["items"].take();
    let summaries: Vec<Summary> = serde_json::from_value(models.clone()).context("unexpected models in the API response")?;
    output.print(&models, || {
        let rows: Vec<Vec<String>> = summaries
            .into_iter()
            .map(|model| vec![model.name, model.newest_version.to_string(), format_minute(model.published_at)])
            .collect();
        table(&["model", "newest version", "published"], &["newest version"], &rows)
    })?;
    Ok(())
}

async fn versions(client: &Client, name: &str, output: Output) -> Result<(), CliError> {
    let versions = fetch_versions(client, name, 200).await?;
    let views: Vec<Version> = serde_json::from_value(versions.clone()).context("unexpected model versions in the API response")?;
    output.print(&versions, || {
        let rows: Vec<Vec<String>> = views
            .into_iter()
            .map(|version| {
                vec![
                    version.number.to_string(),
                    format_minute(version.created_at),
                    version.run_id.to_string(),
                    version.dataset_id.to_string(),
                ]
            })
            .collect();
        table(&["version", "published", "run", "dataset"], &["version"], &rows)
    })?;
    Ok(())
}

async fn fetch_versions(client: &Client, name: &str, limit: u8) -> Result<Value, CliError> {
    let request = client.request(Method::GET, &["v1", "models", name, "versions"]).query(&[("limit", limit)]);
    Ok(client.json::<Value>(request).await?["items"].take())
}

/// Fetches a version of a model; `None` = the newest.
pub(crate) async fn find_version(client: &Client, name: &str, number: Option<i32>) -> Result<Version, CliError> {
    let version = match number {
        Some(number) => client.get(&["v1", "models", name, "versions", &number.to_string()]).await?,
        None => fetch_versions(client, name, 1).await?[0].take(),
    };
    Ok(decode(&version, "model version")?)
}

/// Downloads the files of a version. The manifest is last, so that a directory with a manifest is complete.
pub(crate) async fn download_version(client: &Client, version: &Version, dir: &Path) -> Result<Vec<LocalFile>, CliError> {
    let mut files = version.files.clone();
    files.retain(|file| file.path != aprendiz_inference::manifest::MANIFEST_FILE);
    let sha256 = version.manifest_sha256.clone();
    files.push(RemoteFile { path: aprendiz_inference::manifest::MANIFEST_FILE.to_owned(), bytes: None, sha256 });
    download(client, &["v1", "models", &version.model, "versions", &version.number.to_string(), "files"], &files, dir).await
}

async fn fetch(client: &Client, name: &str, number: Option<i32>, dir: Option<PathBuf>, output: Output) -> Result<(), CliError> {
    let version = find_version(client, name, number).await?;
    let dir = dir.unwrap_or_else(|| PathBuf::from(format!("{}-{}", version.model, version.number)));
    let files = download_version(client, &version, &dir).await?;
    let Version { model, number, run_id, dataset_id, card, .. } = version;
    // encoders have no thresholds
    let (thresholds, changes) = match card["thresholds"] {
        Value::Null => (Value::Null, String::new()),
        _ => model_thresholds::describe_changes(client, &model, number).await?,
    };
    let value = json!({
        "model": model, "number": number, "run_id": run_id, "dataset_id": dataset_id, "dir": dir, "files": files, "thresholds": thresholds,
    });
    output.print(&value, || format!("{model} version {number}: {}{changes}", summary(&files, &dir)))?;
    Ok(())
}
