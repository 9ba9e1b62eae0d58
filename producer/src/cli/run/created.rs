//! Output of the commands that create or requeue a run.

use serde_json::Value;

use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::run::view::RunView;
use crate::cli::run::watch::watch;
use crate::cli::terminal::Output;

/// Prints a new run, or watches it until it completes.
pub(crate) async fn print_created_run(client: &Client, run: &Value, follow: bool, output: Output) -> Result<(), CliError> {
    let view = RunView::parse(run)?;
    if follow {
        return watch(client, view.id, output).await;
    }
    output.print(run, || {
        format!(
            "{id}\n\n{} run for model {} is {}; watch it with: aprendiz run watch {id}",
            view.kind_label(),
            view.model,
            view.status,
            id = view.id
        )
    })?;
    Ok(())
}
