//! `aprendiz model`: lists and fetches published models.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use clap::Subcommand;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::client::Client;
use crate::cli::download::{LocalFile, RemoteFile, download, text};
use crate::cli::exit::CliError;
use crate::cli::lineage;
use crate::cli::output::{Output, table};

/// What to do with models.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// List the models that have a version
    List,
    /// List the versions of a model, newest first
    Versions {
        /// Name of the model
        name: String,
    },
    /// Show where a version comes from: its run, its snapshot, and who reviewed what it learned from
    Lineage {
        /// Name of the model
        name: String,
        /// Number of the version
        number: i32,
    },
    /// Download a version: weights, configuration, card, metrics and manifest
    #[command(after_help = "Example:\n  aprendiz model download contracts -d ./contracts")]
    Download {
        /// Name of the model
        name: String,
        /// Number of the version; default: the newest
        #[arg(long)]
        number: Option<i32>,
        /// Folder to put the files into; default: NAME-NUMBER
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

/// A published version, as the API tells of it.
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
        ModelCommand::Lineage { name, number } => lineage::of_model(client, name, *number, output).await,
        ModelCommand::Download { name, number, dir } => fetch(client, name, *number, dir.clone(), output).await,
    }
}

async fn list(client: &Client, output: Output) -> Result<(), CliError> {
    let models = client.get(&["v1", "models"]).await?["items"].take();
    let summaries: Vec<Summary> = serde_json::from_value(models.clone()).context("unexpected models")?;
    output.print(&models, || {
        let rows: Vec<Vec<String>> =
            summaries.into_iter().map(|model| vec![model.name, model.newest_version.to_string(), day(model.published_at)]).collect();
        table(&["model", "newest version", "published"], &["newest version"], &rows)
    })?;
    Ok(())
}

async fn versions(client: &Client, name: &str, output: Output) -> Result<(), CliError> {
    let versions = page(client, name, 200).await?;
    let views: Vec<Version> = serde_json::from_value(versions.clone()).context("unexpected versions")?;
    output.print(&versions, || {
        let rows: Vec<Vec<String>> = views
            .into_iter()
            .map(|version| {
                vec![version.number.to_string(), day(version.created_at), version.run_id.to_string(), version.dataset_id.to_string()]
            })
            .collect();
        table(&["version", "published", "run", "dataset"], &["version"], &rows)
    })?;
    Ok(())
}

async fn page(client: &Client, name: &str, limit: u8) -> Result<Value, CliError> {
    let request = client.request(Method::GET, &["v1", "models", name, "versions"]).query(&[("limit", limit)]);
    Ok(client.json::<Value>(request).await?["items"].take())
}

/// A version of a model; `None` as number = the newest.
pub(crate) async fn find(client: &Client, name: &str, number: Option<i32>) -> Result<Version, CliError> {
    let version = match number {
        Some(number) => client.get(&["v1", "models", name, "versions", &number.to_string()]).await?,
        None => page(client, name, 1).await?[0].take(),
    };
    Ok(serde_json::from_value(version).context("the API answered a version that is not from this version of Aprendiz")?)
}

/// Fetches the files of a version, the manifest last, as they were uploaded: a folder with a manifest is whole.
pub(crate) async fn download_into(client: &Client, version: &Version, dir: &Path) -> Result<Vec<LocalFile>, CliError> {
    let mut files = version.files.clone();
    files.retain(|file| file.path != inference::manifest::MANIFEST_FILE);
    let sha256 = version.manifest_sha256.clone();
    files.push(RemoteFile { path: inference::manifest::MANIFEST_FILE.to_owned(), bytes: None, sha256 });
    download(client, &["v1", "models", &version.model, "versions", &version.number.to_string(), "files"], &files, dir).await
}

async fn fetch(client: &Client, name: &str, number: Option<i32>, dir: Option<PathBuf>, output: Output) -> Result<(), CliError> {
    let version = find(client, name, number).await?;
    let dir = dir.unwrap_or_else(|| PathBuf::from(format!("{}-{}", version.model, version.number)));
    let files = download_into(client, &version, &dir).await?;
    let Version { model, number, run_id, dataset_id, .. } = version;
    let value = json!({ "model": model, "number": number, "run_id": run_id, "dataset_id": dataset_id, "dir": dir, "files": files });
    output.print(&value, || format!("{model} version {number}: {}", text(&files, &dir)))?;
    Ok(())
}

fn day(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}
