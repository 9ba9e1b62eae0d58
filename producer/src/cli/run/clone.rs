//! `aprendiz run clone`: a new run made after another one.

use clap::Args;
use reqwest::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::cli::client::Client;
use crate::cli::exit::CliError;
use crate::cli::output::Output;
use crate::cli::run::act::announce_created;

/// Which run, and what the new one does differently.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aprendiz run clone ID --set params.l2=0.1 --watch      the same data, another parameter
  aprendiz run clone ID --fresh-data                     the same spec, on what was reviewed since
  aprendiz run clone ID --set priority=10 --set data.min_support=5 --set seed=null

A key is its path in the spec; its value is JSON or plain text, and null takes the default.")]
pub(crate) struct CloneArgs {
    /// Id of the run
    id: Uuid,
    /// A key of the spec that is different; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = parse_change)]
    changes: Vec<(Vec<String>, Value)>,
    /// Read what there is now, instead of what the other run read
    #[arg(long)]
    fresh_data: bool,
    /// The same key and changes give the same run, however often this is sent
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Follow it to its end, then show its metrics
    #[arg(long)]
    watch: bool,
}

pub(crate) async fn run(client: &Client, args: CloneArgs, output: Output) -> Result<(), CliError> {
    let body = body(args.changes, args.fresh_data)?;
    let mut request = client.request(Method::POST, &["v1", "training-runs", &args.id.to_string(), "clone"]).json(&body);
    if let Some(key) = args.idempotency_key {
        request = request.header("idempotency-key", key);
    }
    let run: Value = client.json(request).await?;
    announce_created(client, &run, args.watch, output).await
}

fn parse_change(text: &str) -> Result<(Vec<String>, Value), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("`{text}` has no `=`: expected for example params.l2=0.1"))?;
    let path: Vec<String> = key.split('.').map(|part| part.trim().to_owned()).collect();
    if path.iter().any(String::is_empty) {
        return Err(format!("`{key}` is no path in the spec: expected for example params.l2"));
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
            _ => Err(CliError::Usage(format!("--set: `{key}` is set to a value and to a part of one"))),
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

    fn body_of(line: &[&str]) -> Result<Value, CliError> {
        let id = Uuid::nil().to_string();
        let args = Line::try_parse_from([&["clone", id.as_str()], line].concat()).unwrap().args;
        body(args.changes, args.fresh_data)
    }

    #[test]
    fn paths_become_a_merge_patch() {
        let body =
            body_of(&["--set", "params.l2=0.1", "--set", "params.epochs=5", "--set", "model=other", "--set", "seed=null", "--fresh-data"]);
        let expected = json!({ "changes": { "params": { "l2": 0.1, "epochs": 5 }, "model": "other", "seed": null }, "same_data": false });
        assert_eq!(body.unwrap(), expected);
        assert_eq!(body_of(&[]).unwrap(), json!({ "changes": {}, "same_data": true }));
    }

    #[test]
    fn a_key_cannot_be_a_value_and_have_parts() {
        assert!(matches!(body_of(&["--set", "params=1", "--set", "params.l2=1"]), Err(CliError::Usage(_))));
        assert!(parse_change("l2").is_err() && parse_change("a..b=1").is_err() && parse_change("=1").is_err());
    }
}
