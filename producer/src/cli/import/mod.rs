//! `aprendiz import` and `aprendiz imports`: create, list, follow and revert imports, repair quarantined tasks.

mod create;
mod follow;
mod list;
mod quarantine;
mod report;
mod retry;
mod revert;
mod show;
mod upload;

use clap::Subcommand;

use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::terminal::Output;

pub(crate) use self::create::{ImportArgs, run as create};
pub(crate) use self::report::STATUSES;
pub(crate) use self::upload::open_input;

/// Subcommands of `aprendiz imports`.
#[derive(Debug, Subcommand)]
pub(crate) enum ImportsCommand {
    /// List imports, newest first
    #[command(visible_alias = "ls")]
    List(list::ListArgs),
    /// Show the progress or the report of an import
    #[command(visible_alias = "get")]
    Show(show::ShowArgs),
    /// Watch a background import until it completes
    Watch(show::WatchArgs),
    /// List the quarantined tasks of an import, with reasons
    Quarantine(quarantine::QuarantineArgs),
    /// Import the quarantined tasks again
    Retry(retry::RetryArgs),
    /// Take an import back: withdraw what only it contained, and restore what it replaced
    Revert(revert::RevertArgs),
}

pub(crate) async fn run(client: &Client, command: &ImportsCommand, output: Output) -> Result<(), CliError> {
    match command {
        ImportsCommand::List(args) => list::run(client, args, output).await,
        ImportsCommand::Show(args) => show::run(client, args, output).await,
        ImportsCommand::Watch(args) => show::watch(client, args, output).await,
        ImportsCommand::Quarantine(args) => quarantine::run(client, args, output).await,
        ImportsCommand::Retry(args) => retry::run(client, args, output).await,
        ImportsCommand::Revert(args) => revert::run(client, args, output).await,
    }
}
