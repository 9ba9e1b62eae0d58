//! `aprendiz run clone`.

use clap::Args;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::cli::arguments::{IdArg, IdKind, WaitArgs};
use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::run::created::print_created_run;
use crate::cli::terminal::Output;

/// Arguments of `aprendiz run clone`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aprendiz run clone ID --set params.l2=0.1 --wait       same data, different parameter
  aprendiz run clone ID --fresh-data                     same spec, current annotations
  aprendiz run clone ID --set priority=10 --set data.min_support=5 --set seed=null

KEY is a path in the spec. VALUE is JSON or plain text; null resets the key to its default.")]
pub(crate) struct CloneArgs {
    /// ID of the run to copy
    id: IdArg,
    /// Change a key of the spec. Can be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = parse_change)]
    changes: Vec<(Vec<String>, Value)>,
    /// Use the current annotations instead of the data of the original run
    #[arg(long)]
    fresh_data: bool,
    /// Idempotency key: repeating the request with the same key returns the same run
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    #[command(flatten)]
    wait: WaitArgs,
}

pub(crate) async fn run(client: &Client, args: CloneArgs, output: Output) -> Result<(), CliError> {
    let id = args.id.resolve(client, IdKind::Run).await?;
    let body = body(args.changes, args.fresh_data)?;
    let mut request = client.request(Method::POST, &["v1", "training-runs", &id.to_string(), "clone"]).json(&body);
    if let Some(key) = args.idempotency_key {
        request = request.header("idempotency-key", key);
    }
    let run: Value = client.json(request).await?;
    print_created_run(client, &run, args.wait, output).await
}

fn parse_change(text: &str) -> Result<(Vec<String>, Value), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("invalid change `{text}`: expected KEY=VALUE, such as params.l2=0.1"))?;
    let path: Vec<String> = key.split('.').map(|part| part.trim().to_owned()).collect();
    if path.iter().any(String::is_empty) {
        return Err(format!("invalid key `{key}`: expected a path in the spec, such as params.l2"));
    }
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    Ok((path, value))
}

fn body(changes: Vec<(Vec<String>, Value)>, fresh_data: bool) -> Result<Value, CliError> {
    let mut patch = Map::new();
    for (path, value) in changes {
        set(&mut patch, &path, value)?;
    }
    Ok(json!({ "changes": patch, "same_data": !fresh_data }))
}

fn set(map: &mut Map<String, Value>, path: &[String], value: Value) -> Result<(), CliError> {
    match path {
        [] => Ok(()),
        [key] => {
            map.insert(key.clone(), value);
            Ok(())
        }
        [key, rest @ ..] => match map.entry(key.clone()).or_insert_with(|| json!({})) {
            Value::Object(inner) => set(inner, rest, value),
            _ => Err(CliError::Usage(format!("conflicting --set: `{key}` is set both as a value and as an object"))),
        },
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: CloneArgs,
    }

    fn parse_body(line: &[&str]) -> Result<Value, CliError> {
        let id = uuid::Uuid::nil().to_string();
        let args = Line::try_parse_from([&["clone", id.as_str()], line].concat()).unwrap().args;
        body(args.changes, args.fresh_data)
    }

    #[test]
    fn paths_become_a_merge_patch() {
        let body = parse_body(&[
            "--set",
            "params.l2=0.1",
            "--set",
            "params.epochs=5",
            "--set",
            "model=other",
            "--set",
            "seed=null",
            "--fresh-data",
        ]);
        let expected = json!({ "changes": { "params": { "l2": 0.1, "epochs": 5 }, "model": "other", "seed": null }, "same_data": false });
        assert_eq!(body.unwrap(), expected);
        assert_eq!(parse_body(&[]).unwrap(), json!({ "changes": {}, "same_data": true }));
    }

    #[test]
    fn keys_cannot_be_both_value_and_object() {
        assert!(matches!(parse_body(&["--set", "params=1", "--set", "params.l2=1"]), Err(CliError::Usage(_))));
        assert!(parse_change("l2").is_err() && parse_change("a..b=1").is_err() && parse_change("=1").is_err());
    }
}
