//! `aprendiz document archive|unarchive` and `aprendiz project archive|unarchive`.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::document::resolve::resolve_id;
use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::terminal::{Output, table};

/// Documents of one request.
const BATCH_DOCUMENTS: usize = 1_000;

/// Arguments of `aprendiz document archive` and `unarchive`.
#[derive(Debug, Args)]
pub(crate) struct ArchiveDocumentsArgs {
    /// Document IDs or SOURCE/PROJECT/TASK
    #[arg(required = true, value_name = "DOCUMENT")]
    documents: Vec<String>,
    /// Reason; kept with the change
    #[arg(long)]
    reason: Option<String>,
}

/// Arguments of `aprendiz project archive` and `unarchive`.
#[derive(Debug, Args)]
pub(crate) struct ArchiveProjectArgs {
    /// SOURCE/PROJECT
    project: String,
    /// Reason; kept with the change
    #[arg(long)]
    reason: Option<String>,
}

/// Subcommands of `aprendiz project`.
#[derive(Debug, Subcommand)]
pub(crate) enum ProjectCommand {
    /// List the projects that have documents which are not archived
    #[command(visible_alias = "ls", after_help = "Examples:\n  aprendiz project list\n  aprendiz project list -o json")]
    List,
    /// Take all documents of a project out of training, the review queue and counts
    #[command(
        after_help = "Example:\n  aprendiz project archive label-studio/3 --reason \"sample data\"\n\nSnapshots as of an earlier position keep the documents. Imports go on to update them; they stay archived."
    )]
    Archive(ArchiveProjectArgs),
    /// Put the documents of a project back
    #[command(after_help = "Example:\n  aprendiz project unarchive label-studio/3")]
    Unarchive(ArchiveProjectArgs),
}

pub(crate) async fn run_project(client: &Client, command: &ProjectCommand, output: Output) -> Result<(), CliError> {
    match command {
        ProjectCommand::List => list(client, output).await,
        ProjectCommand::Archive(args) => change_project(client, args, true, output).await,
        ProjectCommand::Unarchive(args) => change_project(client, args, false, output).await,
    }
}

pub(crate) async fn change_documents(client: &Client, args: &ArchiveDocumentsArgs, archived: bool, output: Output) -> Result<(), CliError> {
    let mut ids = Vec::with_capacity(args.documents.len());
    for document in &args.documents {
        ids.push(resolve_id(client, document).await?);
    }
    let mut changed = 0;
    for batch in ids.chunks(BATCH_DOCUMENTS) {
        changed += send(client, &json!({ "documents": batch, "reason": args.reason }), archived).await?;
    }
    print(changed, archived, output)
}

async fn change_project(client: &Client, args: &ArchiveProjectArgs, archived: bool, output: Output) -> Result<(), CliError> {
    let Some((source, project)) = args.project.split_once('/').filter(|(source, project)| !source.is_empty() && !project.is_empty()) else {
        return Err(CliError::Usage(format!(
            "invalid project `{}`: expected SOURCE/PROJECT, such as label-studio/7; `aprendiz project list` lists the projects",
            args.project
        )));
    };
    let body = json!({ "project": { "source": source, "project": project }, "reason": args.reason });
    print(send(client, &body, archived).await?, archived, output)
}

async fn send(client: &Client, body: &Value, archived: bool) -> Result<u64, CliError> {
    let verb = if archived { "archive" } else { "unarchive" };
    let changed: Value = client.json(client.long_request(Method::POST, &["v1", "documents", verb]).json(body)).await?;
    Ok(changed["documents"].as_u64().unwrap_or_default())
}

fn print(documents: u64, archived: bool, output: Output) -> Result<(), CliError> {
    let noun = if documents == 1 { "document" } else { "documents" };
    let verb = if archived { "archived" } else { "unarchived" };
    output.print(&json!({ "documents": documents }), || format!("{documents} {noun} {verb}"))?;
    Ok(())
}

async fn list(client: &Client, output: Output) -> Result<(), CliError> {
    let page = client.get(&["v1", "projects"]).await?;
    output.print(&page["items"], || {
        let cell = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let rows: Vec<Vec<String>> = page["items"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|project| vec![format!("{}/{}", cell(&project["source"]), cell(&project["project"])), project["documents"].to_string()])
            .collect();
        table(&["project", "documents"], &["documents"], &rows)
    })?;
    Ok(())
}
