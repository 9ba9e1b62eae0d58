//! `aprendiz sweep`: creates a run that tries parameters and publishes the best.

pub(crate) mod trials;

use aprendiz_run_spec::{KindInfo, RunKind};
use clap::Args;
use clap::builder::PossibleValuesParser;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::cli::arguments::WaitArgs;
use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::run::{parse_documents, parse_param, print_created_run, set};
use crate::cli::terminal::Output;

/// Arguments of `aprendiz sweep`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aprendiz sweep --model contracts --space l2=0.01,0.1,1 --space min_df=1,2 --wait
  aprendiz sweep --model contracts --space l2=0.001..10:log --space min_df=1..5 --random 20 --concurrency 4
  aprendiz sweep --model contracts --space l2=0.01,0.1,1 --metric macro_f1 --param folds=3
  aprendiz sweep --model contracts --space l2=0.001..10:log --random 27 --halving 3,3

Trials are compared on the validation split; only the best is scored on the test split and published. `aprendiz run get ID` shows all
trials, `aprendiz run cancel ID` stops all of them, and `aprendiz run retry ID` continues with those that are missing.")]
pub(crate) struct SweepArgs {
    /// Model name to publish the best version under
    #[arg(long)]
    model: String,
    /// Values to try: NAME=V1,V2,… or, with --random, a range NAME=MIN..MAX, or NAME=MIN..MAX:log. Can be repeated
    #[arg(long = "space", value_name = "NAME=VALUES", value_parser = parse_axis, required = true)]
    space: Vec<(String, Value)>,
    /// Try N random combinations [default: every combination]
    #[arg(long, value_name = "N")]
    random: Option<u32>,
    /// Maximum number of trials at the same time, over all workers [default: 2]
    #[arg(long, value_name = "N")]
    concurrency: Option<u32>,
    /// Metric that selects the best: accuracy, macro_f1 or log_loss [default: accuracy; of an encoder, average_precision]
    #[arg(long)]
    metric: Option<String>,
    /// Successive halving: of each rung, one trial in ETA goes on with ETA times as much of train
    #[arg(long, value_name = "ETA,RUNGS", value_parser = parse_halving)]
    halving: Option<Halving>,
    /// Kind that the trials train [default: linear]
    #[arg(long, value_parser = trained_kinds())]
    kind: Option<String>,
    /// Parameter of all trials; the value is JSON or plain text. Can be repeated
    #[arg(long = "param", value_name = "KEY=VALUE", value_parser = parse_param)]
    params: Vec<(String, Value)>,
    /// Base model, for a kind that fine-tunes one
    #[arg(long, value_name = "NAME")]
    base_model: Option<String>,
    /// Fields to train, comma-separated [default: all categorical fields]
    #[arg(long, value_delimiter = ',', value_name = "FIELD")]
    fields: Vec<String>,
    /// Documents to train on: comma-separated IDs, or a file with one ID per line [default: all]
    #[arg(long, value_name = "FILE|IDS")]
    documents: Option<String>,
    /// Filter documents by project [default: all]
    #[arg(long)]
    project: Option<String>,
    /// Exclude labels with fewer than N examples [default: 2]
    #[arg(long, value_name = "N")]
    min_support: Option<u32>,
    /// Random seed [default: 42]
    #[arg(long)]
    seed: Option<u64>,
    /// Priority of all trials, from -100 to 100 [default: 0]
    #[arg(long, allow_negative_numbers = true)]
    priority: Option<i32>,
    /// Idempotency key: repeating the request with the same key returns the same run
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    #[command(flatten)]
    wait: WaitArgs,
}

/// `--halving ETA,RUNGS`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Halving {
    eta: u32,
    rungs: u32,
}

/// The kinds that trials can train.
fn trained_kinds() -> PossibleValuesParser {
    let params = KindInfo::of(RunKind::Sweep).params;
    PossibleValuesParser::new(params.into_iter().find(|param| param.name == "kind").map_or(&[][..], |param| param.values))
}

pub(crate) async fn run(client: &Client, args: SweepArgs, output: Output) -> Result<(), CliError> {
    let (wait, key) = (args.wait, args.idempotency_key.clone());
    let spec = build_spec(args)?;
    let mut request = client.request(Method::POST, &["v1", "training-runs"]).json(&spec);
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let run: Value = client.json(request).await?;
    print_created_run(client, &run, wait, output).await
}

fn build_spec(args: SweepArgs) -> Result<Value, CliError> {
    let mut space = Map::new();
    for (name, values) in args.space {
        if space.insert(name.clone(), values).is_some() {
            return Err(CliError::Usage(format!("--space names {name} twice: list all its values in one")));
        }
    }
    let mut params = Map::new();
    params.insert("space".to_owned(), space.into());
    set(&mut params, "kind", args.kind);
    set(&mut params, "search", args.random.map(|_| "random"));
    set(&mut params, "trials", args.random);
    set(&mut params, "concurrency", args.concurrency);
    set(&mut params, "metric", args.metric);
    set(&mut params, "halving", args.halving.map(|Halving { eta, rungs }| json!({ "eta": eta, "rungs": rungs })));
    set(&mut params, "fixed", (!args.params.is_empty()).then(|| args.params.into_iter().collect::<Map<String, Value>>()));
    let mut data = Map::new();
    set(&mut data, "fields", (!args.fields.is_empty()).then_some(args.fields));
    set(&mut data, "documents", args.documents.as_deref().map(parse_documents).transpose()?);
    set(&mut data, "filter", args.project.map(|project| json!({ "project": project })));
    set(&mut data, "min_support", args.min_support);
    let mut spec = Map::new();
    set(&mut spec, "kind", Some("sweep"));
    set(&mut spec, "model", Some(args.model));
    set(&mut spec, "params", Some(params));
    set(&mut spec, "data", (!data.is_empty()).then_some(data));
    set(&mut spec, "base_model", args.base_model);
    set(&mut spec, "seed", args.seed);
    set(&mut spec, "priority", args.priority);
    Ok(Value::Object(spec))
}

/// Parses `NAME=V1,V2` into a list, and `NAME=MIN..MAX` and `NAME=MIN..MAX:log` into a range.
fn parse_axis(text: &str) -> Result<(String, Value), String> {
    let invalid = || format!("invalid space `{text}`: expected NAME=V1,V2 or NAME=MIN..MAX, such as l2=0.1,1 or l2=0.001..10:log");
    let (name, values) = text.split_once('=').ok_or_else(invalid)?;
    let (name, values) = (name.trim().to_owned(), values.trim());
    if name.is_empty() || values.is_empty() {
        return Err(invalid());
    }
    if let Some((min, max)) = values.split_once("..") {
        let (max, log) = max.strip_suffix(":log").map_or((max, false), |max| (max, true));
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite()).ok_or_else(invalid);
        return Ok((name, json!({ "min": number(min)?, "max": number(max)?, "log": log })));
    }
    let list = match serde_json::from_str::<Vec<Value>>(&format!("[{values}]")) {
        Ok(list) => list,
        // plain texts
        Err(_) => values.split(',').map(|value| serde_json::from_str(value.trim()).unwrap_or_else(|_| value.trim().into())).collect(),
    };
    Ok((name, list.into()))
}

fn parse_halving(text: &str) -> Result<Halving, String> {
    let invalid = || format!("invalid halving `{text}`: expected ETA,RUNGS, such as 3,2");
    let (eta, rungs) = text.split_once(',').ok_or_else(invalid)?;
    let number = |text: &str| text.trim().parse::<u32>().map_err(|_| invalid());
    Ok(Halving { eta: number(eta)?, rungs: number(rungs)? })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: SweepArgs,
    }

    fn parse(line: &[&str]) -> Result<Value, CliError> {
        build_spec(Line::try_parse_from([&["sweep", "--model", "m"], line].concat()).unwrap().args)
    }

    #[test]
    fn a_grid_and_a_random_search_become_specs() {
        let grid = parse(&["--space", "l2=0.01,0.1,null", "--space", "word_ngrams=[1,1],[1,2]", "--param", "folds=3", "--fields", "a,b"]);
        let expected = json!({
            "kind": "sweep", "model": "m", "data": { "fields": ["a", "b"] },
            "params": { "space": { "l2": [0.01, 0.1, null], "word_ngrams": [[1, 1], [1, 2]] }, "fixed": { "folds": 3 } },
        });
        assert_eq!(grid.unwrap(), expected);
        let random = parse(&[
            "--space",
            "l2=0.001..10:log",
            "--space",
            "min_df=1..5",
            "--random",
            "27",
            "--halving",
            "3,2",
            "--metric",
            "log_loss",
            "--concurrency",
            "4",
        ]);
        let expected = json!({
            "kind": "sweep", "model": "m",
            "params": {
                "space": { "l2": { "min": 0.001, "max": 10.0, "log": true }, "min_df": { "min": 1.0, "max": 5.0, "log": false } },
                "search": "random", "trials": 27, "halving": { "eta": 3, "rungs": 2 }, "metric": "log_loss", "concurrency": 4,
            },
        });
        assert_eq!(random.unwrap(), expected);
    }

    #[test]
    fn texts_are_values_and_errors_name_the_argument() {
        assert_eq!(parse_axis("loss=cosine-similarity,multiple-negatives").unwrap().1, json!(["cosine-similarity", "multiple-negatives"]));
        for text in ["l2", "=1", "l2=", "l2=a..b", "l2=1..inf"] {
            assert!(parse_axis(text).unwrap_err().contains(text), "{text}");
        }
        assert!(parse_halving("3").unwrap_err().contains("ETA,RUNGS"));
        let repeated = parse(&["--space", "l2=1", "--space", "l2=2"]).unwrap_err();
        assert!(matches!(repeated, CliError::Usage(text) if text.contains("l2 twice")));
    }
}
