//! `aprendiz annotations`: export annotations, list pending reviews, accept predictions.

mod accept;
mod export;
mod export_args;
mod export_download;
mod waiting;

use clap::Subcommand;

use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::terminal::Output;

/// Subcommands of `aprendiz annotations`.
#[derive(Debug, Subcommand)]
pub(crate) enum AnnotationsCommand {
    /// Export annotations with their history, or Label Studio tasks
    Export(export_args::ExportArgs),
    /// List document fields that are waiting for review
    Waiting(waiting::WaitingArgs),
    /// Accept predictions with a minimum confidence; each becomes a review
    Accept(accept::AcceptArgs),
}

pub(crate) async fn run(client: &Client, command: &AnnotationsCommand, output: Output) -> Result<(), CliError> {
    match command {
        AnnotationsCommand::Export(args) => export::run(client, args, output).await,
        AnnotationsCommand::Waiting(args) => waiting::run(client, args, output).await,
        AnnotationsCommand::Accept(args) => accept::run(client, args, output).await,
    }
}
