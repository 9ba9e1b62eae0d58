//! `aprendiz run cancel`.

use uuid::Uuid;

use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::run::view::RunView;
use crate::cli::terminal::Output;

pub(super) async fn run(client: &Client, id: Uuid, output: Output) -> Result<(), CliError> {
    let run = client.post(&["v1", "training-runs", &id.to_string(), "cancel"]).await?;
    let view = RunView::parse(&run)?;
    output.print(&run, || format!("run {} is {}", view.id, view.status))?;
    Ok(())
}
