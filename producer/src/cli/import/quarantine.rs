//! `aprendiz imports quarantine`: the tasks that an import rejected.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use reqwest::Method;
use serde_json::Value;

use crate::cli::arguments::{IdArg, IdKind};
use crate::cli::error::CliError;
use crate::cli::http::download::{create_staged, persist};
use crate::cli::http::{Client, Tail, fetch_items};
use crate::cli::terminal::{Output, cell, human_bytes, table};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aprendiz imports quarantine @latest
  aprendiz imports quarantine @latest --tasks repair.json")]
pub(crate) struct QuarantineArgs {
    /// Import ID
    id: IdArg,
    /// Write the tasks to this file, to be repaired and imported again
    #[arg(long, value_name = "FILE")]
    tasks: Option<PathBuf>,
    /// Overwrite the file of --tasks
    #[arg(long, requires = "tasks")]
    force: bool,
}

pub(super) async fn run(client: &Client, args: &QuarantineArgs, output: Output) -> Result<(), CliError> {
    let id = args.id.resolve(client, IdKind::Import).await?.to_string();
    match &args.tasks {
        Some(file) => write_tasks(client, &id, file, args.force, output).await,
        None => {
            let items = fetch_items(client, &["v1", "imports", &id, "quarantine"], &[], None).await?;
            output.print(&items, || render(&items))?;
            Ok(())
        }
    }
}

async fn write_tasks(client: &Client, id: &str, file: &Path, force: bool, output: Output) -> Result<(), CliError> {
    if !force && file.try_exists().with_context(|| format!("cannot access {}", file.display()))? {
        return Err(CliError::Usage(format!("{} already exists: choose another name, or overwrite it with --force", file.display())));
    }
    let response = client.send(client.long_request(Method::GET, &["v1", "imports", id, "quarantine", "tasks"])).await?;
    let bytes = response.bytes().await.map_err(|error| client.connection_error(&error))?;
    let mut tail = Tail::default();
    tail.push(&bytes);
    if !tail.ends_task_file() {
        return Err(CliError::cut_off("the file"));
    }
    let directory = file.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut staged = create_staged(directory)?;
    staged.write_all(&bytes).with_context(|| format!("cannot write {}", file.display()))?;
    persist(staged, file, force)?;
    output.print(&Value::from(bytes.len()), || {
        format!(
            "wrote {} to {file}\n\nAfter repairing the tasks, import them with: aprendiz import {file}",
            human_bytes(bytes.len() as u64),
            file = file.display()
        )
    })?;
    Ok(())
}

fn render(items: &[Value]) -> String {
    let rows: Vec<Vec<String>> =
        items.iter().map(|item| vec![cell(&item["task_index"]), cell(&item["task_id"]), cell(&item["reason"])]).collect();
    table(&["index", "task", "reason"], &["index"], &rows)
}
