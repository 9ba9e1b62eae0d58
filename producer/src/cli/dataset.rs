//! `aprendiz dataset`: fetches, compares and verifies snapshots.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::client::Client;
use crate::cli::dataset_text;
use crate::cli::download::{RemoteFile, download, text};
use crate::cli::exit::CliError;
use crate::cli::lineage;
use crate::cli::output::Output;
use crate::cli::spinner::Spinner;

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
    /// Show what the second snapshot has otherwise than the first: documents, values, and how far the labels drifted
    #[command(after_help = "Example:\n  aprendiz dataset diff LAST_WEEK TODAY --limit 1000")]
    Diff {
        /// Id of a dataset, or of a run that used it
        from: Uuid,
        /// Id of another dataset, or of a run that used it
        to: Uuid,
        /// Changes to list; all are counted
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Build the rows of a snapshot anew from the events, and compare; exit code 1 unless it is the same
    Verify {
        /// Id of a dataset, or of a run that used it
        id: Uuid,
        /// Also read every file and compare its hash
        #[arg(long)]
        files: bool,
    },
    /// Show labels, rare labels, conflicts between equal texts, and how far reviewers agree
    Report {
        /// Id of a dataset, or of a run that used it
        id: Uuid,
    },
    /// Show who reviewed what it holds, where it comes from, and what was trained on it
    Lineage {
        /// Id of a dataset, or of a run that used it
        id: Uuid,
    },
}

pub(crate) async fn run(client: &Client, command: &DatasetCommand, output: Output) -> Result<(), CliError> {
    match command {
        DatasetCommand::Download { id, dir } => fetch(client, *id, dir.clone(), output).await,
        DatasetCommand::Diff { from, to, limit } => diff(client, *from, *to, *limit, output).await,
        DatasetCommand::Verify { id, files } => verify(client, *id, *files, output).await,
        DatasetCommand::Report { id } => {
            let id = find_id(client, *id).await?;
            let report: Value = ask(client, Method::GET, &["v1", "datasets", &id, "report"], &[], "counting").await?;
            output.print(&report, || dataset_text::report(&report))?;
            Ok(())
        }
        DatasetCommand::Lineage { id } => {
            let id = find_id(client, *id).await?;
            let found: Value = ask(client, Method::GET, &["v1", "datasets", &id, "lineage"], &[], "looking").await?;
            output.print(&found, || lineage::dataset_text(&found))?;
            Ok(())
        }
    }
}

async fn fetch(client: &Client, id: Uuid, dir: Option<PathBuf>, output: Output) -> Result<(), CliError> {
    let dataset = find(client, id).await?;
    let id = dataset["id"].as_str().context("a dataset has an id")?;
    let dir = dir.unwrap_or_else(|| PathBuf::from(format!("dataset-{id}")));
    let files: Vec<RemoteFile> = serde_json::from_value(dataset["files"].clone()).context("unexpected list of files")?;
    let files = download(client, &["v1", "datasets", id, "files"], &files, &dir).await?;
    output.print(&json!({ "dataset_id": id, "dir": dir, "files": files }), || text(&files, &dir))?;
    Ok(())
}

async fn diff(client: &Client, from: Uuid, to: Uuid, limit: usize, output: Output) -> Result<(), CliError> {
    const PAGE: usize = 200;
    let (from, to) = (find_id(client, from).await?, find_id(client, to).await?);
    let (mut summary, mut changes, mut cursor) = (Value::Null, Vec::new(), None::<String>);
    loop {
        let mut query = vec![("limit", (limit - changes.len()).clamp(1, PAGE).to_string())];
        query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
        let mut page: Value = ask(client, Method::GET, &["v1", "datasets", &from, "diff", &to], &query, "comparing").await?;
        if summary.is_null() {
            summary = page["summary"].take();
        }
        if let Value::Array(items) = page["items"].take() {
            changes.extend(items);
        }
        changes.truncate(limit);
        cursor = page["next_cursor"].as_str().map(ToOwned::to_owned);
        if cursor.is_none() || changes.len() == limit {
            break;
        }
    }
    let found = json!({ "summary": summary, "changes": changes, "more": cursor.is_some() });
    output.print(&found, || dataset_text::diff(&found))?;
    Ok(())
}

async fn verify(client: &Client, id: Uuid, files: bool, output: Output) -> Result<(), CliError> {
    let id = find_id(client, id).await?;
    let query = [("files", files.to_string())];
    let found: Value = ask(client, Method::POST, &["v1", "datasets", &id, "verify"], &query, "building it anew").await?;
    output.print(&found, || dataset_text::verification(&found))?;
    let damaged = found["files"].as_array().into_iter().flatten().filter(|file| file["state"] != "same").count();
    match found["verdict"].as_str() {
        Some("same") if damaged == 0 => Ok(()),
        Some("same") => Err(CliError::Failed(anyhow::anyhow!("{damaged} files of the snapshot are not what was recorded"))),
        Some(verdict) => Err(CliError::Failed(anyhow::anyhow!("the snapshot could not be verified: {verdict}"))),
        None => Err(CliError::Failed(anyhow::anyhow!("the API answered a verification that is not from this version of Aprendiz"))),
    }
}

/// A request whose answer may take long, with something that moves meanwhile.
async fn ask(client: &Client, method: Method, path: &[&str], query: &[(&str, String)], doing: &'static str) -> Result<Value, CliError> {
    let _spinner = Spinner::start(doing);
    client.json(client.patient_request(method, path).query(query)).await
}

/// Id of the dataset with this id, or of that of the run with this id.
async fn find_id(client: &Client, id: Uuid) -> Result<String, CliError> {
    let dataset = find(client, id).await?;
    Ok(dataset["id"].as_str().context("a dataset has an id")?.to_owned())
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
