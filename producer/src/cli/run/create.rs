//! `aprendiz run create`: builds a spec from flags or a file.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use reqwest::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::cli::arguments::WaitArgs;
use crate::cli::arguments::time::{DelayArgument, TimeArgument};
use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::run::created::print_created_run;
use crate::cli::run::kinds::{kind_values, print_params};
use crate::cli::run::preview::{name_projects, print_preview};
use crate::cli::terminal::Output;

/// Arguments of `aprendiz run create`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aprendiz run create --model contracts --wait
  aprendiz run create --model contracts --dry-run
  aprendiz run create --kind sentence-transformer --help-params
  aprendiz run create --model contracts --fields contract_type,governing_law --min-support 5
  aprendiz run create --model contracts --slice customer --slice region
  aprendiz run create --model contracts --documents ids.txt --param l2=0.3 --param epochs=50
  aprendiz run create --model contracts-encoder --kind sentence-transformer --param epochs=2 --wait
  aprendiz run create --model contracts --require gpu --require 'memory>=32' --queue nightly --unique
  aprendiz run create --kind predict --model contracts --number 3 --project 7 --param unreviewed=true --wait
  aprendiz run create --spec spec.json --idempotency-key nightly-2026-11-21

aprendiz sweep tries several values of parameters and publishes the best.

A spec file is the JSON body of POST /v1/training-runs; see /openapi.json for all keys. Flags override the file.")]
pub(crate) struct CreateArgs {
    /// Model name to publish the trained version under, or whose version is used
    #[arg(long, required_unless_present_any = ["spec", "help_params"])]
    model: Option<String>,
    /// Run kind; `evaluate` scores the stored predictions, `predict` stores predictions of a version [default: linear]
    #[arg(long, value_parser = kind_values())]
    kind: Option<String>,
    /// Version number of the model that a run of kind `predict` or `evaluate` uses
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(1..))]
    number: Option<i32>,
    /// Show the parameters of the kind with their defaults, and create nothing
    #[arg(long)]
    help_params: bool,
    /// Base model of a sentence transformer: a Hugging Face name, models:/NAME/NUMBER, s3://BUCKET/PREFIX, or a directory on the
    /// worker [default: all-MiniLM-L6-v2]
    #[arg(long, value_name = "NAME")]
    base_model: Option<String>,
    /// Fields to train, comma-separated [default: all categorical fields]
    #[arg(long, value_delimiter = ',', value_name = "FIELD")]
    fields: Vec<String>,
    /// Documents to train on: comma-separated IDs, or a file with one ID per line [default: all]
    #[arg(long, value_name = "FILE|IDS")]
    documents: Option<String>,
    /// Filter documents by source [default: all]
    #[arg(long)]
    source: Option<String>,
    /// Filter documents by project [default: all]
    #[arg(long)]
    project: Option<String>,
    /// Use the annotations as of TIME: a time such as 2026-11-01T00:00:00Z, or an age such as 1h [default: now]
    #[arg(long, value_name = "TIME")]
    as_of: Option<TimeArgument>,
    /// Exclude labels with fewer than N examples [default: 2]
    #[arg(long, value_name = "N")]
    min_support: Option<u32>,
    /// Target accuracy of predictions at or above the confidence threshold [default: 0.95]
    #[arg(long, value_name = "RATIO")]
    target_accuracy: Option<f64>,
    /// Also compute the metrics by this key of the metadata of documents. Can be repeated
    #[arg(long = "slice", value_name = "KEY")]
    slices: Vec<String>,
    /// Random seed [default: 42]
    #[arg(long)]
    seed: Option<u64>,
    /// Priority from -100 to 100; higher priorities run first [default: 0]
    #[arg(long, allow_negative_numbers = true)]
    priority: Option<i32>,
    /// Do not start before TIME: a delay such as 10m, or a time such as 2026-11-21T22:00:00Z [default: start as soon as possible]
    #[arg(long, value_name = "TIME")]
    run_after: Option<DelayArgument>,
    /// Maximum number of attempts [default: 3]
    #[arg(long, value_name = "N")]
    max_attempts: Option<i32>,
    /// Label that the worker must have: gpu, zone=eu, or memory>=32 for a number. Can be repeated
    #[arg(long = "require", value_name = "LABEL")]
    requires: Vec<String>,
    /// Queue whose limits and weight apply; see `aprendiz queue list` [default: default]
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,
    /// Compute backend: auto, flex, ndarray or cuda [default: auto]
    #[arg(long, value_name = "NAME")]
    backend: Option<String>,
    /// Return the waiting or running run with the same spec and data, if there is one, instead of creating another
    #[arg(long)]
    unique: bool,
    /// Training parameter; the value is JSON or plain text. Can be repeated; `--help-params` lists them
    #[arg(long = "param", value_name = "KEY=VALUE", value_parser = parse_param)]
    params: Vec<(String, Value)>,
    /// JSON file with the complete spec; `-` for standard input
    #[arg(long, value_name = "FILE|-")]
    spec: Option<PathBuf>,
    /// Idempotency key: repeating the request with the same key returns the same run
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Show examples, labels and warnings, and do not create the run
    #[arg(long, conflicts_with_all = ["wait", "idempotency_key"])]
    dry_run: bool,
    #[command(flatten)]
    wait: WaitArgs,
}

pub(crate) async fn run(client: &Client, args: CreateArgs, output: Output) -> Result<(), CliError> {
    if args.help_params {
        return print_params(args.kind.as_deref(), output);
    }
    let wait = args.wait;
    let key = args.idempotency_key.clone();
    let dry_run = args.dry_run;
    let spec = build_spec(args)?;
    if dry_run {
        return print_preview(client, &spec, output).await;
    }
    let mut request = client.request(Method::POST, &["v1", "training-runs"]).json(&spec);
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let run: Value = client.json(request).await?;
    name_projects(client, &spec).await;
    print_created_run(client, &run, wait, output).await
}

pub(crate) fn parse_param(text: &str) -> Result<(String, Value), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("invalid parameter `{text}`: expected KEY=VALUE, such as l2=0.3"))?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    Ok((key.trim().to_owned(), value))
}

fn build_spec(args: CreateArgs) -> Result<Value, CliError> {
    let now = Utc::now();
    // microseconds, the precision of the database
    let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Micros, true);
    let mut spec = match &args.spec {
        Some(path) => object(read_json(path)?, "the spec")?,
        None => Map::new(),
    };
    let mut data = object(spec.remove("data").unwrap_or_else(|| json!({})), "`data` of the spec")?;
    let mut params = object(spec.remove("params").unwrap_or_else(|| json!({})), "`params` of the spec")?;
    let mut filter = object(data.remove("filter").unwrap_or_else(|| json!({})), "`data.filter` of the spec")?;
    params.extend(args.params);
    set(&mut filter, "source", args.source);
    set(&mut filter, "project", args.project);
    set(&mut data, "fields", (!args.fields.is_empty()).then_some(args.fields));
    set(&mut data, "documents", args.documents.as_deref().map(parse_documents).transpose()?);
    set(&mut data, "as_of", args.as_of.map(|as_of| time(as_of.resolve(now))));
    set(&mut data, "min_support", args.min_support);
    set(&mut data, "filter", (!filter.is_empty()).then_some(filter));
    set(&mut spec, "model", args.model);
    set(&mut spec, "kind", args.kind);
    set(&mut spec, "model_version", args.number);
    set(&mut spec, "base_model", args.base_model);
    set(&mut spec, "target_accuracy", args.target_accuracy);
    set(&mut spec, "slices", (!args.slices.is_empty()).then_some(args.slices));
    set(&mut spec, "seed", args.seed);
    set(&mut spec, "priority", args.priority);
    set(&mut spec, "run_after", args.run_after.map(|delay| time(delay.resolve(now))));
    set(&mut spec, "max_attempts", args.max_attempts);
    set(&mut spec, "requires", (!args.requires.is_empty()).then_some(args.requires));
    set(&mut spec, "queue", args.queue);
    set(&mut spec, "backend", args.backend);
    set(&mut spec, "unique", args.unique.then_some(true));
    set(&mut spec, "data", (!data.is_empty()).then_some(data));
    set(&mut spec, "params", (!params.is_empty()).then_some(params));
    Ok(Value::Object(spec))
}

/// Sets a key if there is a value.
pub(crate) fn set(map: &mut Map<String, Value>, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        map.insert(key.to_owned(), value.into());
    }
}

fn object(value: Value, what: &str) -> Result<Map<String, Value>, CliError> {
    match value {
        Value::Object(map) => Ok(map),
        _ => Err(CliError::Usage(format!("{what} must be a JSON object"))),
    }
}

fn read_json(path: &Path) -> Result<Value, CliError> {
    let mut text = String::new();
    if path.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
    } else {
        text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    }
    serde_json::from_str(&text).map_err(|error| CliError::Usage(format!("{}: invalid JSON: {error}", path.display())))
}

/// Parses document IDs from the argument, or from the file that it names.
pub(crate) fn parse_documents(argument: &str) -> Result<Vec<String>, CliError> {
    let is_list = argument.split(',').all(|id| id.trim().parse::<Uuid>().is_ok());
    let text = if is_list {
        argument.to_owned()
    } else {
        std::fs::read_to_string(argument)
            .with_context(|| format!("invalid --documents `{argument}`: expected comma-separated document IDs or a readable file"))?
    };
    let ids = text.split([',', '\n']).map(str::trim).filter(|id| !id.is_empty());
    ids.map(|id| match id.parse::<Uuid>() {
        Ok(id) => Ok(id.to_string()),
        Err(_) => Err(CliError::Usage(format!("invalid document ID `{id}` in --documents"))),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: CreateArgs,
    }

    fn parse_spec(line: &[&str]) -> Value {
        build_spec(Line::try_parse_from([&["create"], line].concat()).unwrap().args).unwrap()
    }

    #[test]
    fn flags_become_a_spec() {
        let spec = parse_spec(&[
            "--model",
            "m",
            "--fields",
            "a,b",
            "--param",
            "l2=0.3",
            "--param",
            "x=y",
            "--project",
            "7",
            "--priority",
            "-5",
            "--slice",
            "customer",
            "--slice",
            "région",
        ]);
        let expected = json!({
            "model": "m", "priority": -5, "slices": ["customer", "région"], "params": { "l2": 0.3, "x": "y" }, "data": { "fields": ["a", "b"], "filter": { "project": "7" } }
        });
        assert_eq!(spec, expected);
    }

    #[test]
    fn routing_flags_become_keys_of_the_spec() {
        let line = ["--model", "m", "--require", "gpu", "--require", "memory>=32", "--queue", "nightly", "--backend", "cuda", "--unique"];
        let expected = json!({ "model": "m", "requires": ["gpu", "memory>=32"], "queue": "nightly", "backend": "cuda", "unique": true });
        assert_eq!(parse_spec(&line), expected);
    }

    #[test]
    fn times_are_sent_as_absolute_times_and_errors_name_the_flag() {
        let spec = parse_spec(&["--model", "m", "--as-of", "2026-11-01", "--run-after", "2030-01-02 03:04"]);
        assert_eq!(
            (&spec["data"]["as_of"], &spec["run_after"]),
            (&json!("2026-11-01T00:00:00.000000Z"), &json!("2030-01-02T03:04:00.000000Z"))
        );
        let delayed = parse_spec(&["--model", "m", "--run-after", "10m"]);
        let at: DateTime<Utc> = delayed["run_after"].as_str().unwrap().parse().unwrap();
        assert!(at > Utc::now(), "{at}");
        for (flag, value, expected) in [
            ("--as-of", "yesterday", "expected an age such as 90s"),
            ("--run-after", "soon", "expected a delay such as 90s"),
            ("--kind", "bert", "linear, sentence-transformer, field-classifier, auto, evaluate, predict"),
        ] {
            let error = Line::try_parse_from(["create", "--model", "m", flag, value]).err().unwrap().to_string();
            assert!(error.contains(value) && error.contains(flag) && error.contains(expected), "{error}");
        }
    }

    #[test]
    fn omitted_flags_are_omitted_from_the_spec() {
        assert_eq!(parse_spec(&["--model", "m"]), json!({ "model": "m" }));
    }

    #[test]
    fn flags_override_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), r#"{"model":"m","seed":1,"params":{"l2":1}}"#).unwrap();
        let spec = parse_spec(&["--spec", file.path().to_str().unwrap(), "--seed", "2", "--param", "epochs=5"]);
        assert_eq!(spec, json!({ "model": "m", "seed": 2, "params": { "l2": 1, "epochs": 5 } }));
    }

    #[test]
    fn parse_documents_from_list_or_file() {
        let id = Uuid::now_v7().to_string();
        assert_eq!(parse_documents(&format!("{id},{id}")).unwrap(), [id.clone(), id.clone()]);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("{id}\n\n")).unwrap();
        assert_eq!(parse_documents(file.path().to_str().unwrap()).unwrap(), [id]);
        assert!(parse_documents("no-such-file").is_err());
    }
}
