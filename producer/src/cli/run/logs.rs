//! `aprendiz run logs`: the events of a run, one per line.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::sleep;

use crate::cli::arguments::{IdArg, IdKind, interruptible};
use crate::cli::error::CliError;
use crate::cli::http::{Client, Retry, decode};
use crate::cli::run::progress::describe_event;
use crate::cli::run::view::RunView;
use crate::cli::run::watch::print_watch_hint;
use crate::cli::terminal::{Output, print_json_line, print_text};

/// Pause between two requests for new events.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Arguments of `aprendiz run logs`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aprendiz run logs @latest
  aprendiz run logs @latest -f                              print new events until the run completes
  aprendiz run logs 68ecd237a2dc --after 120 -o jsonl")]
pub(crate) struct LogsArgs {
    /// Run ID
    id: IdArg,
    /// Print events after this sequence number
    #[arg(long, default_value_t = 0)]
    after: i64,
    /// Print new events until the run completes
    #[arg(short, long)]
    follow: bool,
}

#[derive(Deserialize)]
struct Event {
    sequence: i64,
    kind: String,
    attempt_number: Option<i32>,
    payload: Value,
    occurred_at: DateTime<Utc>,
}

pub(crate) async fn run(client: &Client, args: &LogsArgs, output: Output) -> Result<(), CliError> {
    let id = args.id.resolve(client, IdKind::Run).await?;
    let mut after = args.after;
    if !args.follow {
        return print_events(client, &id.to_string(), &mut after, output).await;
    }
    interruptible(follow(client, &id.to_string(), &mut after, output), || print_watch_hint(id)).await
}

/// Prints events until the run has ended and its last event is printed.
async fn follow(client: &Client, id: &str, after: &mut i64, output: Output) -> Result<(), CliError> {
    let mut retry = Retry::default();
    loop {
        // read before the events: none follows the end of a run
        let state = client.get_with_retry(&["v1", "training-runs", id]).await?;
        let has_ended = RunView::parse(&state)?.has_ended();
        match print_events(client, id, after, output).await {
            Ok(()) if has_ended => return Ok(()),
            Ok(()) => {
                retry.reset();
                sleep(POLL_INTERVAL).await;
            }
            Err(error) => retry.pause(error).await?,
        }
    }
}

/// Prints all events after a sequence number, and advances it.
async fn print_events(client: &Client, id: &str, after: &mut i64, output: Output) -> Result<(), CliError> {
    loop {
        let query = [("format", "json".to_owned()), ("after", after.to_string())];
        let page: Value = client.json(client.request(Method::GET, &["v1", "training-runs", id, "events"]).query(&query)).await?;
        for item in page["items"].as_array().into_iter().flatten() {
            let event: Event = decode(item, "event")?;
            *after = event.sequence;
            match output {
                // the list may be long or endless: one line each, also as JSON
                Output::Json | Output::Jsonl => print_json_line(&item.to_string())?,
                Output::Yaml => Output::Yaml.print(&[item], String::new)?,
                Output::Name => print_text(&event.sequence.to_string())?,
                Output::Text | Output::Wide => {
                    let attempt = event.attempt_number.map(|number| format!("#{number} ")).unwrap_or_default();
                    let at = event.occurred_at.to_rfc3339_opts(SecondsFormat::Millis, true);
                    print_text(&format!("{at}  {attempt}{:<10} {}", event.kind, describe_event(&event.kind, &event.payload)))?;
                }
            }
        }
        if page["next_cursor"].is_null() {
            return Ok(());
        }
    }
}
