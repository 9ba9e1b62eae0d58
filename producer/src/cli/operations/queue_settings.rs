//! `aprendiz queue list` and `aprendiz queue set`: weights and limits of queues.

use clap::Args;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::cli::error::CliError;
use crate::cli::http::{Client, decode};
use crate::cli::terminal::{Output, table};

/// Arguments of `aprendiz queue set`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aprendiz queue set nightly --max-running 2
  aprendiz queue set default --max-running-per-model 1
  aprendiz queue set nightly --weight 3 --max-running none")]
pub(crate) struct SetArgs {
    /// Name of the queue; an unknown one is created
    name: String,
    /// Share of the running runs among queues with waiting runs, 1 to 1000 [default of a new queue: 1]
    #[arg(long, value_name = "N")]
    weight: Option<u32>,
    /// Maximum number of running runs of the queue, or `none`; 0 starts no runs
    #[arg(long, value_name = "N|none", value_parser = parse_limit)]
    max_running: Option<Limit>,
    /// The same for the runs of one model name
    #[arg(long, value_name = "N|none", value_parser = parse_limit)]
    max_running_per_model: Option<Limit>,
}

/// A limit, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limit(Option<u32>);

fn parse_limit(text: &str) -> Result<Limit, String> {
    if text == "none" {
        return Ok(Limit(None));
    }
    text.parse().map(|limit| Limit(Some(limit))).map_err(|_| "expected a number or none".to_owned())
}

#[derive(Debug, Deserialize)]
struct Queue {
    name: String,
    weight: i32,
    max_running: Option<i32>,
    max_running_per_model: Option<i32>,
    running: i64,
    waiting: i64,
}

pub(super) async fn list(client: &Client, output: Output) -> Result<(), CliError> {
    let value = client.get(&["v1", "queues"]).await?;
    let queues: Vec<Queue> = decode(&value["items"], "queues")?;
    output.print(&value["items"], || render(&queues))?;
    Ok(())
}

pub(super) async fn set(client: &Client, args: &SetArgs, output: Output) -> Result<(), CliError> {
    let change = change(args);
    if change.is_empty() {
        return Err(CliError::Usage("nothing to set: give --weight, --max-running or --max-running-per-model".to_owned()));
    }
    let request = client.request(Method::PUT, &["v1", "queues", &args.name]).json(&change);
    let value: Value = client.json(request).await?;
    let queue: Queue = decode(&value, "queue")?;
    output.print(&value, || render(std::slice::from_ref(&queue)))?;
    Ok(())
}

fn change(args: &SetArgs) -> Map<String, Value> {
    let mut change = Map::new();
    let limit = |limit: Option<Limit>| limit.map(|Limit(limit)| json!(limit));
    for (key, value) in [
        ("weight", args.weight.map(Value::from)),
        ("max_running", limit(args.max_running)),
        ("max_running_per_model", limit(args.max_running_per_model)),
    ] {
        change.extend(value.map(|value| (key.to_owned(), value)));
    }
    change
}

fn render(queues: &[Queue]) -> String {
    let limit = |limit: Option<i32>| limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string());
    let rows: Vec<Vec<String>> = queues
        .iter()
        .map(|queue| {
            vec![
                queue.name.clone(),
                queue.weight.to_string(),
                queue.running.to_string(),
                queue.waiting.to_string(),
                limit(queue.max_running),
                limit(queue.max_running_per_model),
            ]
        })
        .collect();
    table(&["queue", "weight", "running", "waiting", "max running", "per model"], &["weight", "running", "waiting"], &rows)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: SetArgs,
    }

    #[test]
    fn only_given_options_are_sent_and_none_removes_a_limit() {
        let parse = |line: &[&str]| Line::try_parse_from([&["set"], line].concat()).map(|line| change(&line.args));
        let sent = parse(&["q", "--max-running", "none", "--weight", "3"]).unwrap();
        assert_eq!(Value::Object(sent), json!({ "weight": 3, "max_running": null }));
        assert!(parse(&["q"]).unwrap().is_empty());
        assert!(parse(&["q", "--max-running", "many"]).is_err());
    }

    #[test]
    fn queues_are_listed_with_their_limits() {
        let queue =
            Queue { name: "nightly".to_owned(), weight: 2, max_running: Some(3), max_running_per_model: None, running: 1, waiting: 9 };
        let text = render(&[queue]);
        assert!(text.lines().last().is_some_and(|line| line.split_whitespace().eq(["nightly", "2", "1", "9", "3", "none"])), "{text}");
    }
}
