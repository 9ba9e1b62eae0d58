//! `aprendiz run`: create, watch, explain, retry and cancel training runs.

mod cancel;
mod class_tables;
mod clone;
mod create;
mod created;
mod errors;
mod explain;
mod get;
mod label;
mod list;
mod logs;
mod metric_warnings;
mod metrics;
mod metrics_table;
mod progress;
mod retry;
mod view;
mod watch;

use clap::{Args, Subcommand};
use uuid::Uuid;

use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::terminal::Output;

pub(crate) use self::create::{parse_documents, parse_param};
pub(crate) use self::created::print_created_run;

/// Subcommands of `aprendiz run`.
#[derive(Debug, Subcommand)]
pub(crate) enum RunCommand {
    /// Start a training run
    Create(Box<create::CreateArgs>),
    /// List training runs, newest first
    List(list::ListArgs),
    /// Show a run with its attempts and metrics
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
    Watch(IdArgs),
    /// Print the events of a run
    Logs(logs::LogsArgs),
    /// Explain why a run is waiting, running or failed, and suggest next steps
    Explain(IdArgs),
    /// Cancel a run
    Cancel(IdArgs),
    /// Retry failed or cancelled runs, by ID or by filter
    Retry(Box<retry::RetryArgs>),
    /// Start a copy of a run, with changes to its spec
    Clone(clone::CloneArgs),
}

/// Arguments of commands on one run.
#[derive(Debug, Args)]
pub(crate) struct IdArgs {
    /// Run ID
    id: Uuid,
}

pub(crate) async fn run(client: &Client, command: RunCommand, output: Output) -> Result<(), CliError> {
    match command {
        RunCommand::Create(args) => create::run(client, *args, output).await,
        RunCommand::List(args) => list::run(client, &args, output).await,
        RunCommand::Get(args) => get::run(client, args.id, output).await,
        RunCommand::Metrics(args) => metrics::run(client, &args, output).await,
        RunCommand::Errors(args) => errors::run(client, &args, output).await,
        RunCommand::Tag(args) => label::tag(client, &args, output).await,
        RunCommand::Note(args) => label::note(client, &args, output).await,
        RunCommand::Watch(args) => watch::watch(client, args.id, output).await,
        RunCommand::Logs(args) => logs::run(client, &args, output).await,
        RunCommand::Cancel(args) => cancel::run(client, args.id, output).await,
        RunCommand::Explain(args) => explain::run(client, args.id, output).await,
        RunCommand::Retry(args) => retry::run(client, &args, output).await,
        RunCommand::Clone(args) => clone::run(client, args, output).await,
    }
}
