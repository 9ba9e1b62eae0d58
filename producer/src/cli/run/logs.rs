//! `aprendiz run logs`: the events of a run, one a line.

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use clap::Args;
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::cli::client::Client;
use crate::cli::exit::CliError;
use crate::cli::output::{Output, emit};
use crate::cli::run::watch_line::in_words;

/// Which events to print.
#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// Id of the run
    id: Uuid,
    /// Only events after this sequence
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
            let event = Event::deserialize(item).context("unexpected event")?;
            after = event.sequence;
            match output {
                Output::Json => emit(&item.to_string())?,
                Output::Text => {
                    let attempt = event.attempt_number.map(|number| format!("#{number} ")).unwrap_or_default();
                    let at = event.occurred_at.format("%Y-%m-%d %H:%M:%S%.3f");
                    emit(&format!("{at}  {attempt}{:<10} {}", event.kind, in_words(&event.kind, &event.payload)))?;
                }
            }
        }
        if page["next_cursor"].is_null() {
            return Ok(());
        }
    }
}
