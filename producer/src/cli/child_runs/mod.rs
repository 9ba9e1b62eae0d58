//! `aprendiz ingest`, `eval` and `train-st`: child runs on the data of a training run, and legacy CSV files.

mod legacy_csv;

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::Args;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::cli::arguments::{IdArg, IdKind, WaitArgs};
use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::run::{parse_param, print_created_run};
use crate::cli::terminal::{Output, print_message};

/// Arguments of `aprendiz ingest`.
#[derive(Debug, Args)]
#[command(after_help = "\
With --training-run: creates a child run on exactly the data of the given run and prints its ID.
With --legacy-csv: imports the file. If both are given, the file is imported first and the child run uses the current data.

Examples:
  aprendiz ingest --training-run 01a1fd0a-322b-77a3-a61c-68ecd237a2dc --wait
  aprendiz ingest --legacy-csv review.csv --project 7")]
pub(crate) struct IngestArgs {
    /// Training run ID
    #[arg(long, value_name = "ID")]
    training_run: Option<IdArg>,
    /// Accepted for scripts of the earlier pipeline: annotations are always read from the database
    #[arg(long)]
    use_db: bool,
    #[command(flatten)]
    wait: WaitArgs,
    /// Legacy CSV review file with the columns FIELD_pred, FIELD_gold and FIELD_status; `-` for standard input
    #[arg(long, value_name = "FILE|-")]
    legacy_csv: Option<PathBuf>,
    /// Project in which documents are matched and created
    #[arg(long, requires = "legacy_csv")]
    project: Option<String>,
    /// Review time of rows without one [default: last modification of the file]
    #[arg(long, value_name = "TIME", requires = "legacy_csv", value_parser = aprendiz_annotation_types::parse_time)]
    reviewed_at: Option<DateTime<Utc>>,
}

/// Arguments of `aprendiz eval`.
#[derive(Debug, Args)]
#[command(after_help = "\
With --model: evaluates a published version of the model on the current test documents and prints the ID of the run. Documents on
which the version was trained or selected are excluded and counted. `aprendiz model compare` uses the result.
With --training-run: creates a child run on exactly the data of the given run and prints its ID.
With --legacy-csv: computes the scores of the legacy pipeline for the file, without importing it.

Examples:
  aprendiz eval --model contracts --number 2 --wait
  aprendiz eval --training-run @latest --wait
  aprendiz eval --legacy-csv review.csv")]
pub(crate) struct EvalArgs {
    /// Name of the model whose version is evaluated
    #[arg(long, requires = "number", conflicts_with_all = ["training_run", "legacy_csv"])]
    model: Option<String>,
    /// Number of the version
    #[arg(long, value_name = "N", requires = "model", value_parser = clap::value_parser!(i32).range(1..))]
    number: Option<i32>,
    /// Training run ID
    #[arg(long, value_name = "ID", conflicts_with = "legacy_csv")]
    training_run: Option<IdArg>,
    /// Accepted for scripts of the earlier pipeline: annotations are always read from the database
    #[arg(long, conflicts_with = "legacy_csv")]
    use_db: bool,
    #[command(flatten)]
    wait: WaitArgs,
    /// Legacy CSV review file; `-` for standard input
    #[arg(long, value_name = "FILE|-")]
    legacy_csv: Option<PathBuf>,
}

/// Arguments of `aprendiz train-st`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aprendiz train-st --training-run ID --wait
  aprendiz train-st --training-run ID --param epochs=2 --param examples_per_class=8
  aprendiz train-st --training-run ID --base-model models:/contracts-encoder/3

Creates a child run on exactly the data of the given run and prints its ID.")]
pub(crate) struct TrainStArgs {
    /// Training run ID
    #[arg(long, value_name = "ID")]
    training_run: IdArg,
    /// Accepted for scripts of the earlier pipeline: annotations are always read from the database
    #[arg(long)]
    use_db: bool,
    #[command(flatten)]
    wait: WaitArgs,
    /// Model name to publish the encoder under [default: model name of the run plus `-encoder`]
    #[arg(long)]
    model: Option<String>,
    /// Base model to fine-tune [default: all-MiniLM-L6-v2]
    #[arg(long, value_name = "NAME")]
    base_model: Option<String>,
    /// Training parameter; the value is JSON or plain text. Can be repeated
    #[arg(long = "param", value_name = "KEY=VALUE", value_parser = parse_param)]
    params: Vec<(String, Value)>,
}

pub(crate) async fn ingest(client: &Client, args: &IngestArgs, output: Output) -> Result<(), CliError> {
    let child = |id: &IdArg| ChildRun { parent: id.clone(), action: "ingest", fresh_data: args.legacy_csv.is_some(), wait: args.wait };
    match (&args.legacy_csv, &args.training_run) {
        (Some(file), None) => {
            let report = legacy_csv::import(client, file, args.project.as_deref(), args.reviewed_at).await?;
            Ok(output.print(&report, || legacy_csv::report_text(&report))?)
        }
        (Some(file), Some(id)) => {
            let report = legacy_csv::import(client, file, args.project.as_deref(), args.reviewed_at).await?;
            // standard output is reserved for the run
            print_message(&legacy_csv::report_text(&report));
            create_child(client, &child(id), output).await
        }
        (None, Some(id)) => create_child(client, &child(id), output).await,
        (None, None) => Err(CliError::Usage("nothing to ingest: specify --training-run ID or --legacy-csv FILE".to_owned())),
    }
}

pub(crate) async fn eval(client: &Client, args: &EvalArgs, output: Output) -> Result<(), CliError> {
    if let (Some(model), Some(number)) = (&args.model, args.number) {
        let spec = json!({ "kind": "evaluate", "model": model, "model_version": number });
        let run: Value = client.json(client.request(Method::POST, &["v1", "training-runs"]).json(&spec)).await?;
        return print_created_run(client, &run, args.wait, output).await;
    }
    match (&args.legacy_csv, &args.training_run) {
        (Some(file), _) => {
            let score = legacy_csv::score(client, file).await?;
            Ok(output.print(&score, || legacy_csv::score_text(&score))?)
        }
        (None, Some(id)) => {
            create_child(client, &ChildRun { parent: id.clone(), action: "evaluation", fresh_data: false, wait: args.wait }, output).await
        }
        (None, None) => {
            Err(CliError::Usage("nothing to evaluate: specify --model NAME --number N, --training-run ID or --legacy-csv FILE".to_owned()))
        }
    }
}

/// A child run to create.
struct ChildRun {
    parent: IdArg,
    action: &'static str,
    fresh_data: bool,
    wait: WaitArgs,
}

async fn create_child(client: &Client, child: &ChildRun, output: Output) -> Result<(), CliError> {
    let parent = child.parent.resolve(client, IdKind::Run).await?.to_string();
    let request = client.request(Method::POST, &["v1", "training-runs", &parent, child.action]);
    let request = if child.fresh_data { request.query(&[("fresh_data", "true")]) } else { request };
    let run = client.json(request).await?;
    print_created_run(client, &run, child.wait, output).await
}

pub(crate) async fn train_st(client: &Client, args: TrainStArgs, output: Output) -> Result<(), CliError> {
    let TrainStArgs { training_run, use_db: _, wait, model, base_model, params } = args;
    let mut body = Map::new();
    let params = (!params.is_empty()).then(|| Value::Object(params.into_iter().collect()));
    for (key, value) in [("model", model.map(Value::from)), ("base_model", base_model.map(Value::from)), ("params", params)] {
        body.extend(value.map(|value| (key.to_owned(), value)));
    }
    let parent = training_run.resolve(client, IdKind::Run).await?.to_string();
    let path = ["v1", "training-runs", &parent, "sentence-transformer"];
    let run: Value = client.json(client.request(Method::POST, &path).json(&body)).await?;
    print_created_run(client, &run, wait, output).await
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    enum Line {
        Ingest(IngestArgs),
        Eval(EvalArgs),
        TrainSt(TrainStArgs),
    }

    #[test]
    fn lines_of_the_earlier_pipeline_are_accepted() {
        let id = uuid::Uuid::nil().to_string();
        let accepts = |line: &[&str]| Line::try_parse_from([&["aprendiz"], line].concat());
        for line in [
            &["train-st", "--use-db", "--training-run", &id][..],
            &["ingest", "--use-db", "--training-run", &id],
            &["ingest", "--use-db", "--legacy-csv", "review.csv"],
            &["eval", "--use-db", "--training-run", &id],
        ] {
            accepts(line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
        }
        assert!(accepts(&["eval", "--model", "contracts", "--number", "2", "--wait"]).is_ok());
        for line in [&["eval", "--model", "contracts"][..], &["eval", "--model", "m", "--number", "0"], &["eval", "--number", "1"]] {
            assert!(accepts(line).is_err(), "{line:?}");
        }
        let contradiction = accepts(&["eval", "--use-db", "--legacy-csv", "review.csv"]).unwrap_err().to_string();
        assert!(contradiction.contains("--use-db"), "{contradiction}");
    }
}
