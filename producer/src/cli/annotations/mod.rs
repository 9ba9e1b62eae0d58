//! `aprendiz annotations`: what was said about all documents: take it out, see what waits for review, accept predictions.

mod accept;
mod export;
mod waiting;

use clap::Subcommand;

use crate::cli::client::Client;
use crate::cli::exit::CliError;
use crate::cli::output::Output;

/// What to do with annotations.
#[derive(Debug, Subcommand)]
pub(crate) enum AnnotationsCommand {
    /// Write annotations with their history, or tasks for Label Studio, to a file or to standard output
    Export(export::ExportArgs),
    /// List fields of documents that wait for review
    Waiting(waiting::WaitingArgs),
    /// Accept predictions of which the extractor was sure enough
    Accept(accept::AcceptArgs),
}

pub(crate) async fn run(client: &Client, command: &AnnotationsCommand, output: Output) -> Result<(), CliError> {
    match command {
        AnnotationsCommand::Export(args) => export::run(client, args, output).await,
        AnnotationsCommand::Waiting(args) => waiting::run(client, args, output).await,
        AnnotationsCommand::Accept(args) => accept::run(client, args, output).await,
    }
}
