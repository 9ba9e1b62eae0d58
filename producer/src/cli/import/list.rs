//! `aprendiz imports list`.

use clap::Args;
use serde_json::Value;

use super::cell::cell;
use crate::cli::error::CliError;
use crate::cli::http::{Client, fetch_items};
use crate::cli::terminal::{Output, human_bytes, table};

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Maximum number of imports to list
    #[arg(long, default_value_t = 20)]
    limit: usize,
}

pub(super) async fn run(client: &Client, args: &ListArgs, output: Output) -> Result<(), CliError> {
    let items = fetch_items(client, &["v1", "imports"], &[], Some(args.limit)).await?;
    output.print(&items, || render(&items))?;
    Ok(())
}

fn render(items: &[Value]) -> String {
    let rows: Vec<Vec<String>> = items
        .iter()
        .map(|item| {
            let bytes = human_bytes(item["bytes"].as_u64().unwrap_or_default());
            vec![
                cell(&item["id"]),
                if item["reverted_at"].is_string() { "reverted".to_owned() } else { cell(&item["status"]) },
                cell(&item["created_at"]),
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
