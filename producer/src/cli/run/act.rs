//! `aprendiz run cancel`, and what is said about a new run.

use serde_json::Value;
use uuid::Uuid;

use crate::cli::client::Client;
use crate::cli::exit::CliError;
use crate::cli::output::Output;
use crate::cli::run::view::RunView;
use crate::cli::run::watch::watch;

pub(crate) async fn cancel(client: &Client, id: Uuid, output: Output) -> Result<(), CliError> {
    let run = client.post(&["v1", "training-runs", &id.to_string(), "cancel"]).await?;
    let view = RunView::of(&run)?;
    output.print(&run, || format!("run {} is {}", view.id, view.status))?;
    Ok(())
}

/// Prints a new run, or follows it.
pub(crate) async fn announce_created(client: &Client, run: &Value, follow: bool, output: Output) -> Result<(), CliError> {
    let view = RunView::of(run)?;
    if follow {
        return watch(client, view.id, output).await;
    }
    output.print(run, || {
        format!(
            "{}\n\nrun of kind {} for model {} is {}; follow it with: aprendiz run watch {}",
            view.id,
            view.kind_in_words(),
            view.model,
            view.status,
            view.id
        )
    })?;
    Ok(())
}
