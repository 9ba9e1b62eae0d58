//! The plan's three commands that work on a training run: `ingest`, `eval`, `train-st`.

use clap::Args;
use uuid::Uuid;

use crate::cli::client::Client;
use crate::cli::exit::CliError;
use crate::cli::output::Output;
use crate::cli::run::announce_created;

/// The run to work on.
#[derive(Debug, Args)]
#[command(after_help = "Makes a run of its own over exactly the data of the given run, and prints its id.")]
pub(crate) struct DerivedArgs {
    /// Id of the training run
    #[arg(long, value_name = "ID")]
    training_run: Uuid,
    /// Follow it to its end
    #[arg(long)]
    wait: bool,
}

/// The run to work on.
#[derive(Debug, Args)]
pub(crate) struct TrainStArgs {
    /// Id of the training run
    #[arg(long, value_name = "ID")]
    training_run: Uuid,
    /// Follow it to its end
    #[arg(long)]
    wait: bool,
}

pub(crate) async fn ingest(client: &Client, args: &DerivedArgs, output: Output) -> Result<(), CliError> {
    derive(client, args, "ingest", output).await
}

pub(crate) async fn eval(client: &Client, args: &DerivedArgs, output: Output) -> Result<(), CliError> {
    derive(client, args, "evaluation", output).await
}

async fn derive(client: &Client, args: &DerivedArgs, action: &str, output: Output) -> Result<(), CliError> {
    let run = client.post(&["v1", "training-runs", &args.training_run.to_string(), action]).await?;
    announce_created(client, &run, args.wait, output).await
}

/// Says that there is nothing to run yet, so that a script notices.
pub(crate) fn train_st(args: &TrainStArgs) -> Result<(), CliError> {
    let TrainStArgs { training_run, wait: _ } = args;
    Err(CliError::Refused(format!(
        "kind `sentence-transformer` is not built yet: this version trains `linear` (aprendiz run create --kind linear); nothing was done for run {training_run}"
    )))
}
