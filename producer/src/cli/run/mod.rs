//! `aprendiz run`: create, watch, explain, retry and cancel training runs.

mod cancel;
mod clone;
mod create;
mod created;
mod explain;
mod get;
mod kinds;
mod list;
mod logs;
mod metric_warnings;
mod metrics_table;
mod progress;
mod retry;
mod view;
mod watch;

use clap::{Args, Subcommand};

use crate::cli::arguments::{IdArg, IdKind};
use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::terminal::Output;

pub(crate) use self::create::parse_param;
pub(crate) use self::created::print_created_run;

/// Subcommands of `aprendiz run`.
#[derive(Debug, Subcommand)]
pub(crate) enum RunCommand {
    /// Start a training run
    Create(Box<create::CreateArgs>),
    /// List training runs, newest first
    #[command(visible_alias = "ls")]
    List(list::ListArgs),
    /// Show a run with its attempts and metrics
    #[command(visible_alias = "show", after_help = GET_EXAMPLES)]
    Get(IdArgs),
    /// Watch a run until it completes, then show its metrics
    #[command(after_help = "Examples:\n  aprendiz run watch @latest\n  aprendiz run watch @latest:contracts")]
    Watch(IdArgs),
    /// Print the events of a run
    Logs(logs::LogsArgs),
    /// Explain why a run is waiting, running or failed, and suggest next steps
    #[command(after_help = "Examples:\n  aprendiz run explain @latest\n  aprendiz run explain 68ecd237a2dc")]
    Explain(IdArgs),
    /// Cancel a run
    Cancel(cancel::CancelArgs),
    /// Retry failed or cancelled runs, by ID or by filter
    Retry(Box<retry::RetryArgs>),
    /// Start a copy of a run, with changes to its spec
    Clone(clone::CloneArgs),
    /// List the kinds of runs and their parameters
    Kinds(kinds::KindsArgs),
}

const GET_EXAMPLES: &str = "\
Examples:
  aprendiz run get 01a1fd0a-322b-77a3-a61c-68ecd237a2dc
  aprendiz run get 68ecd237a2dc                             the end of an ID, as tables show it
  aprendiz run get @latest:contracts -o json                newest run of a model";

/// Arguments of commands on one run.
#[derive(Debug, Args)]
pub(crate) struct IdArgs {
    /// Run ID
    id: IdArg,
}

impl IdArgs {
    async fn resolve(&self, client: &Client) -> Result<uuid::Uuid, CliError> {
        self.id.resolve(client, IdKind::Run).await
    }
}

pub(crate) async fn run(client: &Client, command: RunCommand, output: Output) -> Result<(), CliError> {
    match command {
        RunCommand::Create(args) => create::run(client, *args, output).await,
        RunCommand::List(args) => list::run(client, &args, output).await,
        RunCommand::Get(args) => get::run(client, args.resolve(client).await?, output).await,
        RunCommand::Watch(args) => watch::watch(client, args.resolve(client).await?, output).await,
        RunCommand::Logs(args) => logs::run(client, &args, output).await,
        RunCommand::Cancel(args) => cancel::run(client, &args, output).await,
        RunCommand::Explain(args) => explain::run(client, args.resolve(client).await?, output).await,
        RunCommand::Retry(args) => retry::run(client, &args, output).await,
        RunCommand::Clone(args) => clone::run(client, args, output).await,
        RunCommand::Kinds(args) => kinds::run(&args, output),
    }
}
