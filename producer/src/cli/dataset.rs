//! `aprendiz dataset`: fetches snapshots.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::Value;
use uuid::Uuid;

use crate::cli::client::Client;
use crate::cli::download::{RemoteFile, download, text};
use crate::cli::exit::CliError;
use crate::cli::output::Output;

/// What to do with dataset snapshots.
#[derive(Debug, Subcommand)]
pub(crate) enum DatasetCommand {
    /// Download a snapshot: Parquet, JSON lines, card and manifest
    #[command(after_help = "Example:\n  aprendiz dataset download 019aa2c8-6f0e-7000-8000-000000000000 -d ./dataset")]
    Download {
        /// Id of a dataset, or of a training run that built or used one
        id: Uuid,
        /// Folder to put the files into; default: dataset-ID
        #[arg(short, long)]
        dir: Option<PathBuf>,
    },
}

pub(crate) async fn run(client: &Client, command: &DatasetCommand, output: Output) -> Result<(), CliError> {
    let DatasetCommand::Download { id, dir } = command;
    let dataset = find(client, *id).await?;
    let id = dataset["id"].as_str().context("a dataset has an id")?;
    let dir = dir.clone().unwrap_or_else(|| PathBuf::from(format!("dataset-{id}")));
    let files: Vec<RemoteFile> = serde_json::from_value(dataset["files"].clone()).context("unexpected list of files")?;
    let files = download(client, &["v1", "datasets", id, "files"], &files, &dir).await?;
    output.print(&serde_json::json!({ "dataset_id": id, "dir": dir, "files": files }), || text(&files, &dir))?;
    Ok(())
}

/// The dataset with this id, or that of the run with this id.
async fn find(client: &Client, id: Uuid) -> Result<Value, CliError> {
    let id = id.to_string();
    let run = match client.get(&["v1", "training-runs", &id]).await {
        Ok(run) => run,
        // no such run: then it is a dataset, or nothing
        Err(CliError::Refused(_)) => return client.get(&["v1", "datasets", &id]).await,
        Err(error) => return Err(error),
    };
    match run["dataset_id"].as_str() {
        Some(dataset) => client.get(&["v1", "datasets", dataset]).await,
        None => {
            Err(CliError::Refused(format!("run {id} is {} and has no dataset snapshot yet", run["status"].as_str().unwrap_or("unknown"))))
        }
    }
}
