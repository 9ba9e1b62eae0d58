//! `aprendiz dataset`: list, build, download, compare and verify dataset snapshots.

mod build;
pub(crate) mod lineage;
mod list;
pub(crate) mod render;

use std::path::PathBuf;

use anyhow::Context as _;
use aprendiz_text::{choose, count};
use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::arguments::{IdArg, IdKind};
use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::http::download::{RemoteFile, download, summary};
use crate::cli::terminal::Output;
use crate::cli::terminal::Spinner;

/// Subcommands of `aprendiz dataset`.
#[derive(Debug, Subcommand)]
pub(crate) enum DatasetCommand {
    /// List snapshots, newest first, with the runs that use them
    List(list::ListArgs),
    /// Build a snapshot without training
    Build(build::BuildArgs),
    /// Download a snapshot: Parquet files, JSON lines, dataset card and manifest
    #[command(after_help = "Example:\n  aprendiz dataset download 019aa2c8-6f0e-7000-8000-000000000000 -d ./dataset")]
    Download {
        /// Dataset ID, or ID of a run that built or uses the dataset
        id: IdArg,
        /// Output directory [default: dataset-ID]
        #[arg(short, long)]
        dir: Option<PathBuf>,
        /// Overwrite existing files that differ
        #[arg(long)]
        force: bool,
    },
    /// Compare two snapshots: documents, values and label drift
    #[command(after_help = "Example:\n  aprendiz dataset diff LAST_WEEK TODAY --limit 1000")]
    Diff {
        /// Dataset ID, or ID of a run that uses the dataset
        from: IdArg,
        /// ID of another dataset, or of a run that uses it
        to: IdArg,
        /// Maximum number of changes to list; the counts include all changes
        #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
        limit: usize,
    },
    /// Verify that a snapshot can be rebuilt from its events; exit with code 1 if it differs
    #[command(after_help = "Examples:\n  aprendiz dataset verify @latest\n  aprendiz dataset verify 68ecd237a2dc --files")]
    Verify {
        /// Dataset ID, or ID of a run that uses the dataset
        id: IdArg,
        /// Also verify the hash of every file
        #[arg(long)]
        files: bool,
    },
    /// Report label counts, rare labels, label conflicts and reviewer agreement
    #[command(after_help = "Examples:\n  aprendiz dataset report @latest\n  aprendiz dataset report @latest:contracts -o json")]
    Report {
        /// Dataset ID, or ID of a run that uses the dataset
        id: IdArg,
    },
    /// Show reviewers, sources, runs and model versions of a snapshot
    #[command(after_help = "Example:\n  aprendiz dataset lineage @latest:contracts")]
    Lineage {
        /// Dataset ID, or ID of a run that uses the dataset
        id: IdArg,
    },
}

pub(crate) async fn run(client: &Client, command: &DatasetCommand, output: Output) -> Result<(), CliError> {
    match command {
        DatasetCommand::List(args) => list::run(client, args, output).await,
        DatasetCommand::Build(args) => build::run(client, args, output).await,
        DatasetCommand::Download { id, dir, force } => fetch(client, id, dir.clone(), *force, output).await,
        DatasetCommand::Diff { from, to, limit } => diff(client, from, to, *limit, output).await,
        DatasetCommand::Verify { id, files } => verify(client, id, *files, output).await,
        DatasetCommand::Report { id } => {
            let id = resolve_id(client, id).await?;
            let report: Value = request_slow(client, Method::GET, &["v1", "datasets", &id, "report"], &[], "computing the report").await?;
            output.print(&report, || render::report(&report))?;
            Ok(())
        }
        DatasetCommand::Lineage { id } => {
            let id = resolve_id(client, id).await?;
            let found: Value = request_slow(client, Method::GET, &["v1", "datasets", &id, "lineage"], &[], "loading lineage").await?;
            output.print(&found, || lineage::render_dataset(&found))?;
            Ok(())
        }
    }
}

async fn fetch(client: &Client, id: &IdArg, dir: Option<PathBuf>, force: bool, output: Output) -> Result<(), CliError> {
    let dataset = find_dataset(client, id).await?;
    let id = dataset["id"].as_str().context("a dataset in the API response has no id")?;
    let dir = dir.unwrap_or_else(|| PathBuf::from(format!("dataset-{id}")));
    let files: Vec<RemoteFile> =
        serde_json::from_value(dataset["files"].clone()).context("unexpected list of files in the API response")?;
    let files = download(client, &["v1", "datasets", id, "files"], &files, &dir, force).await?;
    output.print(&json!({ "dataset_id": id, "dir": dir, "files": files }), || summary(&files, &dir))?;
    Ok(())
}

async fn diff(client: &Client, from: &IdArg, to: &IdArg, limit: usize, output: Output) -> Result<(), CliError> {
    const PAGE: usize = 200;
    let (from, to) = (resolve_id(client, from).await?, resolve_id(client, to).await?);
    let (mut summary, mut changes, mut cursor) = (Value::Null, Vec::new(), None::<String>);
    loop {
        let mut query = vec![("limit", (limit - changes.len()).clamp(1, PAGE).to_string())];
        query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
        let mut page: Value =
            request_slow(client, Method::GET, &["v1", "datasets", &from, "diff", &to], &query, "comparing snapshots").await?;
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
    output.print(&found, || render::diff(&found))?;
    Ok(())
}

async fn verify(client: &Client, id: &IdArg, files: bool, output: Output) -> Result<(), CliError> {
    let id = resolve_id(client, id).await?;
    let query = [("files", files.to_string())];
    let found: Value = request_slow(client, Method::POST, &["v1", "datasets", &id, "verify"], &query, "rebuilding the snapshot").await?;
    output.print(&found, || render::verification(&found))?;
    let damaged = found["files"].as_array().into_iter().flatten().filter(|file| file["state"] != "same").count();
    match found["verdict"].as_str() {
        Some("same") if damaged == 0 => Ok(()),
        Some("same") => Err(CliError::Failed(anyhow::anyhow!(
            "{} of the snapshot {} from what is recorded",
            count(damaged as u64, "file"),
            choose(damaged as u64, "differs", "differ")
        ))),
        Some(verdict) => Err(CliError::Failed(anyhow::anyhow!("verification failed: {verdict}"))),
        None => Err(CliError::Failed(anyhow::anyhow!("unexpected verification in the API response"))),
    }
}

/// Sends a slow request and shows a spinner meanwhile.
async fn request_slow(
    client: &Client,
    method: Method,
    path: &[&str],
    query: &[(&str, String)],
    message: &'static str,
) -> Result<Value, CliError> {
    let _spinner = Spinner::start(message);
    client.json(client.long_request(method, path).query(query)).await
}

/// Resolves a dataset or run ID to the dataset ID.
async fn resolve_id(client: &Client, id: &IdArg) -> Result<String, CliError> {
    let dataset = find_dataset(client, id).await?;
    Ok(dataset["id"].as_str().context("a dataset in the API response has no id")?.to_owned())
}

/// The dataset with this ID, or the dataset of the run with this ID.
async fn find_dataset(client: &Client, id: &IdArg) -> Result<Value, CliError> {
    if !matches!(id, IdArg::Whole(_)) {
        let dataset = id.find(client, IdKind::Dataset).await?;
        if matches!(id, IdArg::Latest(_)) && dataset.is_none() {
            return Err(id.not_found(IdKind::Dataset));
        }
        if let (Some(dataset), IdArg::Part(_)) = (dataset, id)
            && let Some(run) = id.find(client, IdKind::Run).await?
        {
            return Err(CliError::Usage(format!("ambiguous: `{id}` is a part of dataset {dataset} and of run {run}")));
        }
        if let Some(dataset) = dataset {
            return client.get(&["v1", "datasets", &dataset.to_string()]).await;
        }
    }
    let id = id.resolve(client, IdKind::Run).await?.to_string();
    let run = match client.get(&["v1", "training-runs", &id]).await {
        Ok(run) => run,
        // not a run: the ID must be that of a dataset
        Err(CliError::Refused(_)) => return client.get(&["v1", "datasets", &id]).await,
        Err(error) => return Err(error),
    };
    match run["dataset_id"].as_str() {
        Some(dataset) => client.get(&["v1", "datasets", dataset]).await,
        None => Err(CliError::Refused(format!("run {id} ({}) has no dataset snapshot yet", run["status"].as_str().unwrap_or("unknown")))),
    }
}
