//! `aprendiz run logs`: the events of a run, one per line.

use chrono::{DateTime, Utc};
use clap::Args;
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::cli::error::CliError;
use crate::cli::http::{Client, decode};
use crate::cli::run::progress::describe_event;
use crate::cli::terminal::{Output, print_json_line, print_text};

/// Arguments of `aprendiz run logs`.
#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// Run ID
    id: Uuid,
    /// Print events after this sequence number
    #[arg(long, default_value_t = 0)]
    after: i64,
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
    let id = args.id.to_string();
    let mut after = args.after;
    loop {
        let query = [("format", "json".to_owned()), ("after", after.to_string())];
        let page: Value = client.json(client.request(Method::GET, &["v1", "training-runs", &id, "events"]).query(&query)).await?;
        for item in page["items"].as_array().into_iter().flatten() {
            let event: Event = decode(item, "event")?;
            after = event.sequence;
            match output {
                Output::Json => print_json_line(&item.to_string())?,
                Output::Text => {
                    let attempt = event.attempt_number.map(|number| format!("#{number} ")).unwrap_or_default();
                    let at = event.occurred_at.format("%Y-%m-%d %H:%M:%S%.3f");
                    print_text(&format!("{at}  {attempt}{:<10} {}", event.kind, describe_event(&event.kind, &event.payload)))?;
                }
            }
        }
        if page["next_cursor"].is_null() {
            return Ok(());
        }
    }
}
