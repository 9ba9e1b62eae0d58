//! The plan's three commands that work on a training run: `ingest`, `eval`, `train-st`.

use clap::Args;
use reqwest::Method;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::cli::client::Client;
use crate::cli::exit::CliError;
use crate::cli::output::Output;
use crate::cli::run::{announce_created, parse_param};

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

/// The run to work on, and what is trained on its data.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aprendiz train-st --training-run ID --wait
  aprendiz train-st --training-run ID --param epochs=2 --param examples_per_class=8
  aprendiz train-st --training-run ID --base-model models:/contracts-encoder/3

Makes a run of its own over exactly the data of the given run, and prints its id.")]
pub(crate) struct TrainStArgs {
    /// Id of the training run
    #[arg(long, value_name = "ID")]
    training_run: Uuid,
    /// Follow it to its end
    #[arg(long)]
    wait: bool,
    /// Name under which the encoder is published; default: that of the run with -encoder behind it
    #[arg(long)]
    model: Option<String>,
    /// What it starts from; default: all-MiniLM-L6-v2
    #[arg(long, value_name = "NAME")]
    base_model: Option<String>,
    /// A parameter of the kind; its value is JSON or plain text; may be repeated
    #[arg(long = "param", value_name = "KEY=VALUE", value_parser = parse_param)]
    params: Vec<(String, Value)>,
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

pub(crate) async fn train_st(client: &Client, args: TrainStArgs, output: Output) -> Result<(), CliError> {
    let TrainStArgs { training_run, wait, model, base_model, params } = args;
    let mut body = Map::new();
    let params = (!params.is_empty()).then(|| Value::Object(params.into_iter().collect()));
    for (key, value) in [("model", model.map(Value::from)), ("base_model", base_model.map(Value::from)), ("params", params)] {
        body.extend(value.map(|value| (key.to_owned(), value)));
    }
    let path = ["v1", "training-runs", &training_run.to_string(), "sentence-transformer"];
    let run: Value = client.json(client.request(Method::POST, &path).json(&body)).await?;
    announce_created(client, &run, wait, output).await
}
