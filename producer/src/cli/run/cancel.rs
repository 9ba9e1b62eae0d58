//! `aprendiz run cancel`.

use clap::Args;

use crate::cli::arguments::{IdArg, IdKind, WaitArgs};
use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::run::view::RunView;
use crate::cli::run::watch::wait_until_ended;
use crate::cli::terminal::Output;

/// Arguments of `aprendiz run cancel`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aprendiz run cancel 68ecd237a2dc
  aprendiz run cancel @latest --wait           wait until the worker has stopped the run")]
pub(crate) struct CancelArgs {
    /// Run ID
    id: IdArg,
    #[command(flatten)]
    wait: WaitArgs,
}

pub(super) async fn run(client: &Client, args: &CancelArgs, output: Output) -> Result<(), CliError> {
    let id = args.id.resolve(client, IdKind::Run).await?;
    let mut run = client.post(&["v1", "training-runs", &id.to_string(), "cancel"]).await?;
    if args.wait.wait {
        run = wait_until_ended(client, id, output).await?;
    }
    let view = RunView::parse(&run)?;
    output.print(&run, || format!("run {} is {}", view.id, view.status))?;
    // a run can end in another way while the request is on its way
    if args.wait.wait && view.status != "cancelled" {
        return Err(CliError::Refused(format!("run {} {} before it was cancelled", view.id, view.outcome())));
    }
    Ok(())
}
