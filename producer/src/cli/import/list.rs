//! `aprendiz imports list`.

use chrono::Utc;
use clap::Args;
use serde_json::Value;

use super::revert::revert_status;
use crate::cli::arguments::time::TimeArgument;
use crate::cli::error::CliError;
use crate::cli::http::{Client, fetch_newest};
use crate::cli::terminal::{Output, cell, human_bytes, id_value_cell, table, time_value_cell};

/// Statuses of an import.
const STATUSES: [&str; 4] = ["queued", "running", "succeeded", "failed"];

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aprendiz imports list
  aprendiz imports list --status failed,running --since 1d")]
pub(crate) struct ListArgs {
    /// Filter by status; several are separated by commas
    #[arg(long, value_delimiter = ',', value_parser = STATUSES)]
    status: Vec<String>,
    /// Filter by time: created at or after TIME (a duration such as 15m or 2d, or a timestamp)
    #[arg(long, value_name = "TIME")]
    since: Option<TimeArgument>,
    /// Maximum number of imports to list; 0 = all
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    limit: usize,
}

pub(super) async fn run(client: &Client, args: &ListArgs, output: Output) -> Result<(), CliError> {
    let since = args.since.map(|since| since.resolve(Utc::now()));
    // the API does not filter by status: all imports since then are read, and few of them are shown
    let limit = if args.status.is_empty() { args.limit } else { 0 };
    let mut listed = fetch_newest(client, &["v1", "imports"], &[], "created_at", since, limit).await?;
    if !args.status.is_empty() {
        listed.items.retain(|item| item["status"].as_str().is_some_and(|status| args.status.iter().any(|wanted| wanted == status)));
        if args.limit > 0 && listed.items.len() > args.limit {
            listed.items.truncate(args.limit);
            listed.more = true;
        }
    }
    output.print(&listed.items, || render(&listed.items))?;
    listed.print_hint();
    Ok(())
}

fn render(items: &[Value]) -> String {
    let rows: Vec<Vec<String>> = items
        .iter()
        .map(|item| {
            let bytes = human_bytes(item["bytes"].as_u64().unwrap_or_default());
            vec![
                id_value_cell(&item["id"]),
                revert_status(item).map_or_else(|| cell(&item["status"]), str::to_owned),
                time_value_cell(&item["created_at"]),
                cell(&item["actor"]),
                bytes,
                cell(&item["tasks"]),
                cell(&item["source"]),
                cell(&item["file_name"]),
            ]
        })
        .collect();
    table(&["import", "status", "created", "by", "size", "tasks", "source", "file"], &["size", "tasks"], &rows)
}
