//! The plan's three commands that work on a training run: `ingest`, `eval`, `train-st`.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::Args;
use reqwest::Method;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::cli::client::Client;
use crate::cli::exit::CliError;
use crate::cli::legacy_csv;
use crate::cli::output::Output;
use crate::cli::run::{announce_created, parse_param};

/// What to build.
#[derive(Debug, Args)]
#[command(after_help = "\
With --training-run: makes a run of its own over exactly the data of the given run, and prints its id.
With --legacy-csv: takes the file into the tables first; a run given as well then reads what it brought.

Examples:
  aprendiz ingest --training-run 01a1fd0a-322b-77a3-a61c-68ecd237a2dc --wait
  aprendiz ingest --legacy-csv review.csv --project 7")]
pub(crate) struct IngestArgs {
    /// Id of the training run
    #[arg(long, value_name = "ID")]
    training_run: Option<Uuid>,
    /// Follow it to its end
    #[arg(long, requires = "training_run")]
    wait: bool,
    /// A review file of the old pipeline, with columns FIELD_pred, FIELD_gold, FIELD_status; `-` for standard input
    #[arg(long, value_name = "FILE|-")]
    legacy_csv: Option<PathBuf>,
    /// Project to look for its documents in, and to create new ones in
    #[arg(long, requires = "legacy_csv")]
    project: Option<String>,
    /// When its rows were reviewed that do not say so; by default when the file was last changed
    #[arg(long, value_name = "TIME", requires = "legacy_csv")]
    reviewed_at: Option<DateTime<Utc>>,
}

/// What to score.
#[derive(Debug, Args)]
#[command(after_help = "\
With --training-run: makes a run of its own over exactly the data of the given run, and prints its id.
With --legacy-csv: scores the file as the old pipeline did, and changes nothing.")]
pub(crate) struct EvalArgs {
    /// Id of the training run
    #[arg(long, value_name = "ID", conflicts_with = "legacy_csv")]
    training_run: Option<Uuid>,
    /// Follow it to its end
    #[arg(long, requires = "training_run")]
    wait: bool,
    /// A review file of the old pipeline; `-` for standard input
    #[arg(long, value_name = "FILE|-")]
    legacy_csv: Option<PathBuf>,
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

pub(crate) async fn ingest(client: &Client, args: &IngestArgs, output: Output) -> Result<(), CliError> {
    let derived = |id| Derived { of: id, action: "ingest", fresh_data: args.legacy_csv.is_some(), wait: args.wait };
    match (&args.legacy_csv, args.training_run) {
        (Some(file), None) => {
            let report = legacy_csv::take_in(client, file, args.project.as_deref(), args.reviewed_at).await?;
            Ok(output.print(&report, || legacy_csv::report_text(&report))?)
        }
        (Some(file), Some(id)) => {
            let report = legacy_csv::take_in(client, file, args.project.as_deref(), args.reviewed_at).await?;
            // standard output is for the run
            eprintln!("{}", legacy_csv::report_text(&report));
            derive(client, &derived(id), output).await
        }
        (None, Some(id)) => derive(client, &derived(id), output).await,
        (None, None) => Err(CliError::Usage("nothing to ingest: give --training-run ID, or --legacy-csv FILE".to_owned())),
    }
}

pub(crate) async fn eval(client: &Client, args: &EvalArgs, output: Output) -> Result<(), CliError> {
    match (&args.legacy_csv, args.training_run) {
        (Some(file), _) => {
            let score = legacy_csv::score(client, file).await?;
            Ok(output.print(&score, || legacy_csv::score_text(&score))?)
        }
        (None, Some(id)) => derive(client, &Derived { of: id, action: "evaluation", fresh_data: false, wait: args.wait }, output).await,
        (None, None) => Err(CliError::Usage("nothing to score: give --training-run ID, or --legacy-csv FILE".to_owned())),
    }
}

/// A run to be made for another one.
struct Derived {
    of: Uuid,
    action: &'static str,
    fresh_data: bool,
    wait: bool,
}

async fn derive(client: &Client, derived: &Derived, output: Output) -> Result<(), CliError> {
    let request = client.request(Method::POST, &["v1", "training-runs", &derived.of.to_string(), derived.action]);
    let request = if derived.fresh_data { request.query(&[("fresh_data", "true")]) } else { request };
    let run = client.json(request).await?;
    announce_created(client, &run, derived.wait, output).await
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
