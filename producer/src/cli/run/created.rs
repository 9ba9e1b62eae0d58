//! Output of the commands that create or requeue a run.

use serde_json::Value;

use crate::cli::arguments::WaitArgs;
use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::run::view::RunView;
use crate::cli::run::watch::watch;
use crate::cli::terminal::{Output, print_note};

/// Prints the ID of a new run, and waits until it completes if requested. The ID is printed before the wait: to standard error then,
/// because standard output is for the result.
pub(crate) async fn print_created_run(client: &Client, run: &Value, wait: WaitArgs, output: Output) -> Result<(), CliError> {
    let view = RunView::parse(run)?;
    if wait.wait {
        print_note(&format!("run {} ({}) for model {} is {}", view.id, view.kind_label(), view.model, view.status));
        return watch(client, view.id, output).await;
    }
    output.print_created(run, &view.id.to_string(), || {
        format!(
            "{} run for model {} is {}; watch it with: aprendiz run watch {id}",
            view.kind_label(),
            view.model,
            view.status,
            id = view.id
        )
    })?;
    Ok(())
}
