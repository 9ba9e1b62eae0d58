//! `aprendiz run`: everything about training runs.

mod act;
mod clone;
mod create;
mod explain;
mod list;
mod logs;
mod retry;
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
pub(crate) use self::create::parse_param;
pub(crate) use self::view::time;
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
    /// Say why a run waits, what it does or why it failed, and what to do next
    Explain(IdArgs),
    /// Ask a run to stop
    Cancel(IdArgs),
    /// Run failed or cancelled runs again: one, several, or all that a filter finds
    Retry(Box<retry::RetryArgs>),
    /// Make a new run after another one, with changes
    Clone(clone::CloneArgs),
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
        RunCommand::Explain(args) => explain::run(client, args.id, output).await,
        RunCommand::Retry(args) => retry::run(client, &args, output).await,
        RunCommand::Clone(args) => clone::run(client, args, output).await,
    }
}
