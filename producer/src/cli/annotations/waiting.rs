//! `aprendiz annotations waiting`: the review queue.

use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::cli::document::format_value;
use crate::cli::error::CliError;
use crate::cli::http::{Client, fetch_list};
use crate::cli::terminal::{Output, table};

/// Arguments of `aprendiz annotations waiting`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aprendiz annotations waiting --field governing_law --order uncertain
  aprendiz annotations waiting --extractor contracts@3 --order uncertain
  aprendiz annotations waiting --project 7 --below-confidence 0.5 -o json")]
pub(crate) struct WaitingArgs {
    /// Filter by field
    #[arg(long)]
    field: Option<String>,
    /// Filter by document source
    #[arg(long)]
    source: Option<String>,
    /// Filter by project
    #[arg(long)]
    project: Option<String>,
    /// Filter by extractor version, or by a published model version (NAME@NUMBER)
    #[arg(long, value_name = "VERSION")]
    extractor: Option<String>,
    /// Minimum confidence of the prediction, from 0 to 1
    #[arg(long, value_name = "CONFIDENCE")]
    min_confidence: Option<f64>,
    /// Only predictions with a confidence below this value
    #[arg(long, value_name = "CONFIDENCE")]
    below_confidence: Option<f64>,
    /// Skip documents that are leased to other reviewers
    #[arg(long, value_name = "REVIEWER")]
    free_for: Option<String>,
    /// Sort order
    #[arg(long, value_enum, default_value_t = Order::Document)]
    order: Order,
    /// Maximum number of fields to list; 0 = all
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

/// Sort order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Order {
    /// By document, then field
    Document,
    /// Lowest confidence first
    Uncertain,
}

pub(super) async fn run(client: &Client, args: &WaitingArgs, output: Output) -> Result<(), CliError> {
    let mut query: Vec<(&str, String)> = Vec::new();
    for (key, value) in [
        ("field", &args.field),
        ("source", &args.source),
        ("project", &args.project),
        ("extractor_version", &args.extractor),
        ("free_for", &args.free_for),
    ] {
        query.extend(value.iter().map(|value| (key, value.clone())));
    }
    for (key, confidence) in [("min_confidence", args.min_confidence), ("below_confidence", args.below_confidence)] {
        query.extend(confidence.iter().map(|confidence| (key, confidence.to_string())));
    }
    if args.order == Order::Uncertain {
        query.push(("order", "uncertain".to_owned()));
    }
    let listed = fetch_list(client, &["v1", "annotations", "waiting"], &query, args.limit).await?;
    output.print(&listed.items, || render(&listed.items))?;
    listed.print_hint();
    Ok(())
}

/// The prediction; blank if there is none, as after an undone review.
fn predicted(value: &Value) -> String {
    if value.is_null() { String::new() } else { format_value(value) }
}

fn render(items: &[Value]) -> String {
    let string = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rows: Vec<Vec<String>> = items
        .iter()
        .map(|item| {
            vec![
                format!("{}/{}/{}", string(&item["source"]), string(&item["project"]), string(&item["task_id"])),
                string(&item["field"]),
                predicted(&item["predicted_value"]),
                item["confidence"].as_f64().map(|confidence| format!("{confidence:.3}")).unwrap_or_default(),
                string(&item["leased_by"]),
            ]
        })
        .collect();
    table(&["document", "field", "predicted", "confidence", "leased to"], &["confidence"], &rows)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_without_a_prediction_shows_none() {
        let item = |predicted: Value| {
            json!({
                "source": "label-studio", "project": "2", "task_id": "5", "field": "law", "predicted_value": predicted, "confidence": null
            })
        };
        let text = render(&[item(Value::Null), item(json!([])), item(json!(["Texas"]))]);
        let rows: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(rows[0].trim_end(), "label-studio/2/5  law", "{text}");
        assert!(rows[1].contains('∅') && rows[2].contains("Texas"), "{text}");
    }
}
