//! `aprendiz imports show` and `aprendiz imports watch`.

use clap::Args;
use serde_json::Value;

use super::cell::cell;
use super::follow::follow;
use super::report::print_report;
use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::terminal::{Output, human_bytes, print_message};

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Import ID
    id: String,
}

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// Import ID
    id: String,
}

/// Shows the report of a completed import, else its state.
pub(super) async fn run(client: &Client, args: &ShowArgs, output: Output) -> Result<(), CliError> {
    let import = client.get(&["v1", "imports", &args.id]).await?;
    match (&import["report"], output) {
        (report @ Value::Object(_), Output::Text) => {
            print_report(report, output)?;
            if let Some(at) = import["reverted_at"].as_str() {
                print_message(&format!("this import was reverted at {at}"));
            }
            Ok(())
        }
        _ => Ok(output.print(&import, || render(&import))?),
    }
}

pub(super) async fn watch(client: &Client, args: &WatchArgs, output: Output) -> Result<(), CliError> {
    let import = client.get(&["v1", "imports", &args.id]).await?;
    print_report(&follow(client, &import).await?, output)
}

fn render(import: &Value) -> String {
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
