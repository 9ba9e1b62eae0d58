//! Lists what waits for review.

use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::cli::client::Client;
use crate::cli::document::value_in_words;
use crate::cli::exit::CliError;
use crate::cli::output::{Output, table};
use crate::cli::pages::pages;

/// What to list.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aprendiz annotations waiting --field governing_law --order uncertain
  aprendiz annotations waiting --project 7 --below-confidence 0.5 -o json")]
pub(crate) struct WaitingArgs {
    /// Only this field
    #[arg(long)]
    field: Option<String>,
    /// Only documents of this source
    #[arg(long)]
    source: Option<String>,
    /// Only documents of this project
    #[arg(long)]
    project: Option<String>,
    /// Only predictions at least so sure, 0 to 1
    #[arg(long, value_name = "SHARE")]
    min_confidence: Option<f64>,
    /// Only predictions less sure than this
    #[arg(long, value_name = "SHARE")]
    below_confidence: Option<f64>,
    /// Leave out documents that somebody other than this reviewer reviews at the moment
    #[arg(long, value_name = "REVIEWER")]
    free_for: Option<String>,
    /// What comes first
    #[arg(long, value_enum, default_value_t = Order::Document)]
    order: Order,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

/// What comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Order {
    /// By document, then by field
    Document,
    /// The least sure prediction
    Uncertain,
}

pub(super) async fn run(client: &Client, args: &WaitingArgs, output: Output) -> Result<(), CliError> {
    let mut query: Vec<(&str, String)> = Vec::new();
    for (key, value) in [("field", &args.field), ("source", &args.source), ("project", &args.project), ("free_for", &args.free_for)] {
        query.extend(value.iter().map(|value| (key, value.clone())));
    }
    for (key, share) in [("min_confidence", args.min_confidence), ("below_confidence", args.below_confidence)] {
        query.extend(share.iter().map(|share| (key, share.to_string())));
    }
    if args.order == Order::Uncertain {
        query.push(("order", "uncertain".to_owned()));
    }
    let items = pages(client, &["v1", "annotations", "waiting"], &query, usize::try_from(args.limit).ok()).await?;
    output.print(&items, || text(&items))?;
    Ok(())
}

fn text(items: &[Value]) -> String {
    let words = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rows: Vec<Vec<String>> = items
        .iter()
        .map(|item| {
            vec![
                format!("{}/{}/{}", words(&item["source"]), words(&item["project"]), words(&item["task_id"])),
                words(&item["field"]),
                value_in_words(&item["predicted_value"]),
                item["confidence"].as_f64().map(|share| format!("{share:.3}")).unwrap_or_default(),
                words(&item["leased_by"]),
            ]
        })
        .collect();
    table(&["document", "field", "predicted", "confidence", "reviewed by"], &["confidence"], &rows)
}
