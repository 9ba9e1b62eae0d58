//! `aprendiz run`: create, watch, explain, retry and cancel training runs.

mod cancel;
mod class_tables;
mod clone;
mod create;
mod created;
mod errors;
mod explain;
mod get;
mod kinds;
mod label;
mod list;
mod logs;
mod metric_warnings;
mod metrics;
mod metrics_table;
mod preview;
mod progress;
mod retry;
pub(crate) mod view;
pub(crate) mod watch;

use clap::{Args, Subcommand};

use crate::cli::arguments::{IdArg, IdKind};
use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::model::registry::compare_runs;
use crate::cli::terminal::Output;

pub(crate) use self::create::{parse_documents, parse_param, set};
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
    /// Show the metrics of a run, per class, or which classes it confuses
    Metrics(metrics::MetricsArgs),
    /// List the wrong predictions of a run with their documents
    Errors(errors::ErrorsArgs),
    /// Set or remove tags of a run
    Tag(label::TagArgs),
    /// Replace the note of a run
    Note(label::NoteArgs),
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
    /// Compare the versions that two runs published, on the test documents of both
    #[command(after_help = "Examples:\n  aprendiz run compare @latest:contracts 68ecd237a2dc\n  aprendiz run compare ID ID -o json")]
    Compare {
        /// Run whose version may replace the other
        #[arg(value_name = "CANDIDATE")]
        candidate: IdArg,
        /// Run to compare with
        #[arg(value_name = "BASELINE")]
        baseline: IdArg,
    },
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
        RunCommand::Compare { candidate, baseline } => {
            let candidate = candidate.resolve(client, IdKind::Run).await?;
            let baseline = baseline.resolve(client, IdKind::Run).await?;
            compare_runs(client, candidate, baseline, output).await
        }
        RunCommand::Get(args) => get::run(client, args.resolve(client).await?, output).await,
        RunCommand::Metrics(args) => metrics::run(client, &args, output).await,
        RunCommand::Errors(args) => errors::run(client, &args, output).await,
        RunCommand::Tag(args) => label::tag(client, &args, output).await,
        RunCommand::Note(args) => label::note(client, &args, output).await,
        RunCommand::Watch(args) => watch::watch(client, args.resolve(client).await?, output).await,
        RunCommand::Logs(args) => logs::run(client, &args, output).await,
        RunCommand::Cancel(args) => cancel::run(client, &args, output).await,
        RunCommand::Explain(args) => explain::run(client, args.resolve(client).await?, output).await,
        RunCommand::Retry(args) => retry::run(client, &args, output).await,
        RunCommand::Clone(args) => clone::run(client, args, output).await,
        RunCommand::Kinds(args) => kinds::run(&args, output),
    }
}
