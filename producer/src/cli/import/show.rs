//! `aprendiz imports show` and `aprendiz imports watch`.

use aprendiz_text::count;
use clap::Args;
use serde_json::Value;

use super::follow::follow;
use super::report::{finish_import, print_report};
use super::revert::revert_status;
use crate::cli::arguments::{IdArg, IdKind};
use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::terminal::{Output, cell, format_time_value, human_bytes, print_message};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  aprendiz imports show @latest\n  aprendiz imports show 68ecd237a2dc -o json")]
pub(crate) struct ShowArgs {
    /// Import ID
    id: IdArg,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  aprendiz imports watch @latest")]
pub(crate) struct WatchArgs {
    /// Import ID
    id: IdArg,
}

/// Shows the report of a completed import, else its state.
pub(super) async fn run(client: &Client, args: &ShowArgs, output: Output) -> Result<(), CliError> {
    let import = client.get(&["v1", "imports", &args.id.resolve(client, IdKind::Import).await?.to_string()]).await?;
    match (&import["report"], output) {
        (report @ Value::Object(_), Output::Text | Output::Wide) => {
            print_report(report, import["retried_by"].as_str(), output)?;
            if let Some(status) = revert_status(&import) {
                print_message(&format!("this import is {status}, since {}", format_time_value(&import["reverted_at"])));
            }
            Ok(())
        }
        _ => Ok(output.print(&import, || render(&import))?),
    }
}

pub(super) async fn watch(client: &Client, args: &WatchArgs, output: Output) -> Result<(), CliError> {
    let import = client.get(&["v1", "imports", &args.id.resolve(client, IdKind::Import).await?.to_string()]).await?;
    finish_import(&follow(client, &import).await?, output)
}

fn render(import: &Value) -> String {
    let mut lines = vec![format!(
        "{} {}: {} of {} read, {}",
        cell(&import["id"]),
        cell(&import["status"]),
        human_bytes(import["bytes_read"].as_u64().unwrap_or_default()),
        human_bytes(import["bytes"].as_u64().unwrap_or_default()),
        count(import["tasks"].as_u64().unwrap_or_default(), "task"),
    )];
    if let Some(error) = import["error"].as_str() {
        lines.push(format!("{error} ({})", cell(&import["error_code"])));
    }
    lines.join("\n")
}
