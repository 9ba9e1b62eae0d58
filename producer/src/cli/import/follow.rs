//! Polls a background import until it completes.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use crate::cli::arguments::interruptible;
use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::terminal::{byte_bar, print_message};

const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Waits for a background import and returns its report. Ctrl-C ends the wait, and not the import.
pub(super) async fn follow(client: &Client, import: &Value) -> Result<Value, CliError> {
    let id = import["id"].as_str().context("an import in the API response has no id")?;
    interruptible(follow_until_ended(client, id, import["bytes"].as_u64()), || {
        print_message(&format!("import {id} continues; watch it with `aprendiz imports watch {id}`"));
    })
    .await
}

async fn follow_until_ended(client: &Client, id: &str, bytes: Option<u64>) -> Result<Value, CliError> {
    let bar = byte_bar(bytes);
    loop {
        let mut import = client.get_with_retry(&["v1", "imports", id]).await?;
        bar.set_position(import["bytes_read"].as_u64().unwrap_or_default());
        if import["stage"] == "storing" {
            bar.set_message("storing");
        }
        match import["status"].as_str() {
            Some("succeeded") => {
                bar.finish_and_clear();
                return Ok(import["report"].take());
            }
            Some("failed") => {
                bar.abandon();
                return Err(CliError::Refused(format!(
                    "{} ({})",
                    import["error"].as_str().unwrap_or("the import failed"),
                    import["error_code"].as_str().unwrap_or("unknown")
                )));
            }
            _ => tokio::time::sleep(POLL_INTERVAL).await,
        }
    }
}
