//! `aprendiz imports`: what was imported, what could not be, and that once more.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;
use reqwest::Method;
use serde_json::Value;

use crate::cli::client::Client;
use crate::cli::exit::CliError;
use crate::cli::import::{follow, print_report};
use crate::cli::output::{Output, human_bytes, table};
use crate::cli::pages::pages;

/// What to do with imports.
#[derive(Debug, Subcommand)]
pub(crate) enum ImportsCommand {
    /// List imports, newest first
    List {
        /// At most so many
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Show where an import is, or what it did
    Show {
        /// Id of the import
        id: String,
    },
    /// Follow an import in the background until it ends
    Watch {
        /// Id of the import
        id: String,
    },
    /// List the tasks that an import could not take in, with the reasons
    Quarantine {
        /// Id of the import
        id: String,
        /// Write the tasks themselves into this file, to be repaired and imported
        #[arg(long, value_name = "FILE")]
        tasks: Option<PathBuf>,
    },
    /// Import the quarantined tasks once more, as they are
    Retry {
        /// Id of the import
        id: String,
        /// Put every task into this project, whatever the task says
        #[arg(long)]
        project: Option<String>,
        /// Key of `data` that holds the text
        #[arg(long, value_name = "KEY")]
        text_key: Option<String>,
    },
}

pub(crate) async fn run(client: &Client, command: &ImportsCommand, output: Output) -> Result<(), CliError> {
    match command {
        ImportsCommand::List { limit } => {
            let items = pages(client, &["v1", "imports"], &[], Some(*limit)).await?;
            output.print(&items, || list_text(&items))?;
        }
        ImportsCommand::Show { id } => {
            let import = client.get(&["v1", "imports", id]).await?;
            match (&import["report"], output) {
                (report @ Value::Object(_), Output::Text) => print_report(report, output)?,
                _ => output.print(&import, || show_text(&import))?,
            }
        }
        ImportsCommand::Watch { id } => {
            let import = client.get(&["v1", "imports", id]).await?;
            print_report(&follow(client, &import).await?, output)?;
        }
        ImportsCommand::Quarantine { id, tasks: Some(file) } => {
            let response = client.send(client.patient_request(Method::GET, &["v1", "imports", id, "quarantine", "tasks"])).await?;
            let bytes = response.bytes().await.map_err(|error| client.explain(&error))?;
            tokio::fs::write(file, &bytes).await.with_context(|| format!("cannot write {}", file.display()))?;
            let written = Value::from(bytes.len());
            output.print(&written, || {
                format!("{} in {}: repair them, then aprendiz import it", human_bytes(bytes.len() as u64), file.display())
            })?;
        }
        ImportsCommand::Quarantine { id, tasks: None } => {
            let items = pages(client, &["v1", "imports", id, "quarantine"], &[], None).await?;
            output.print(&items, || quarantine_text(&items))?;
        }
        ImportsCommand::Retry { id, project, text_key } => {
            let mut query: Vec<(&str, String)> = Vec::new();
            query.extend(project.iter().map(|value| ("project", value.clone())));
            query.extend(text_key.iter().map(|value| ("text_key", value.clone())));
            let request = client.patient_request(Method::POST, &["v1", "imports", id, "retry"]).query(&query);
            print_report(&client.json(request).await?, output)?;
        }
    }
    Ok(())
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn list_text(items: &[Value]) -> String {
    let rows: Vec<Vec<String>> = items
        .iter()
        .map(|item| {
            let bytes = human_bytes(item["bytes"].as_u64().unwrap_or_default());
            vec![
                cell(&item["id"]),
                cell(&item["status"]),
                cell(&item["created_at"]),
                cell(&item["actor"]),
                bytes,
                cell(&item["tasks"]),
                cell(&item["file_name"]),
            ]
        })
        .collect();
    table(&["import", "status", "created", "by", "size", "tasks", "file"], &["size", "tasks"], &rows)
}

fn show_text(import: &Value) -> String {
    let mut lines = vec![format!(
        "{} {}: {} of {} read, {} tasks",
        cell(&import["id"]),
        cell(&import["status"]),
        human_bytes(import["bytes_read"].as_u64().unwrap_or_default()),
        human_bytes(import["bytes"].as_u64().unwrap_or_default()),
        cell(&import["tasks"]),
    )];
    if let Some(error) = import["error"].as_str() {
        lines.push(format!("{error} ({})", cell(&import["error_code"])));
    }
    lines.join("\n")
}

fn quarantine_text(items: &[Value]) -> String {
    let rows: Vec<Vec<String>> =
        items.iter().map(|item| vec![cell(&item["task_index"]), cell(&item["task_id"]), cell(&item["reason"])]).collect();
    table(&["place", "task", "reason"], &["place"], &rows)
}
