//! `aprendiz run`: everything about training runs.

mod act;
mod create;
mod list;
mod logs;
mod show;
mod view;
mod watch;
mod watch_line;

use clap::{Args, Subcommand};
use uuid::Uuid;

use crate::cli::client::Client;
use crate::cli::exit::CliError;
use crate::cli::output::Output;

pub(crate) use self::act::announce_created;
pub(crate) use self::watch::watch;

/// What to do with training runs.
#[derive(Debug, Subcommand)]
pub(crate) enum RunCommand {
    /// Create a training run
    Create(Box<create::CreateArgs>),
    /// List training runs, newest first
    List(list::ListArgs),
    /// Show a run, its attempts and its metrics
    Get(IdArgs),
    /// Follow a run to its end, then show its metrics
    Watch(IdArgs),
    /// Print the events of a run
    Logs(logs::LogsArgs),
    /// Ask a run to stop
    Cancel(IdArgs),
    /// Run a failed or cancelled run again
    Retry(act::RetryArgs),
}

/// One run.
#[derive(Debug, Args)]
pub(crate) struct IdArgs {
    /// Id of the run
    id: Uuid,
}

pub(crate) async fn run(client: &Client, command: RunCommand, output: Output) -> Result<(), CliError> {
    match command {
        RunCommand::Create(args) => create::run(client, *args, output).await,
        RunCommand::List(args) => list::run(client, &args, output).await,
        RunCommand::Get(args) => show::run(client, args.id, output).await,
        RunCommand::Watch(args) => watch(client, args.id, output).await,
        RunCommand::Logs(args) => logs::run(client, &args, output).await,
        RunCommand::Cancel(args) => act::cancel(client, args.id, output).await,
        RunCommand::Retry(args) => act::retry(client, &args, output).await,
    }
}
