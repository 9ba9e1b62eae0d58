//! `aprendiz document history`: the review history of a field.

use aprendiz_annotation_types::display_values;
use clap::Args;
use reqwest::Method;
use serde_json::Value;

use crate::cli::document::resolve::resolve_id;
use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::terminal::{Output, format_time_value, table, text_cell, time_value_cell};

/// Arguments of `aprendiz document history`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  aprendiz document history label-studio/7/302 governing_law
  aprendiz document history label-studio/7/302 governing_law --as-of 1842
  aprendiz document history label-studio/7/302 governing_law --as-of 2026-11-21T08:00:00Z")]
pub(crate) struct HistoryArgs {
    /// Document ID or SOURCE/PROJECT/TASK
    document: String,
    /// Field name
    field: String,
    /// Mark the events that were in effect at this position or time
    #[arg(long, value_name = "POSITION|TIME")]
    as_of: Option<String>,
}

pub(super) async fn run(client: &Client, args: &HistoryArgs, output: Output) -> Result<(), CliError> {
    let id = resolve_id(client, &args.document).await?;
    let mut request = client.request(Method::GET, &["v1", "documents", &id, "annotations", &args.field, "history"]);
    if let Some(as_of) = &args.as_of {
        request = request.query(&[("as_of", as_of)]);
    }
    let history: Value = client.json(request).await?;
    output.print(&history, || render(&history))?;
    Ok(())
}

/// A reviewed value: `unreviewed`, the values, or no value.
pub(crate) fn format_value(value: &Value) -> String {
    match value.as_array() {
        None => "unreviewed".to_owned(),
        Some(values) => display_values(values.iter().filter_map(Value::as_str)),
    }
}

fn render(history: &Value) -> String {
    let rows = |key: &str, row: &dyn Fn(&Value) -> Vec<String>| -> Vec<Vec<String>> {
        history[key].as_array().into_iter().flatten().map(row).collect()
    };
    let events = rows("events", &|event| {
        let undone = event["review_status"] == "UNREVIEWED";
        let value = match (event["erased"].as_bool(), undone) {
            (Some(true), _) => "(erased)".to_owned(),
            (_, true) => "cleared".to_owned(),
            _ => format_value(&event["value"]),
        };
        let mut flags = Vec::new();
        if event["is_current"] == true {
            flags.push("current");
        }
        if event["counted_as_of"] == true {
            flags.push("as-of");
        }
        vec![
            event["position"].to_string(),
            time_value_cell(&event["occurred_at"]),
            text_cell(&event["review_status"]),
            value,
            text_cell(&event["reviewer"]),
            text_cell(&event["source"]),
            flags.join(", "),
            event["note"].as_str().unwrap_or_default().to_owned(),
        ]
    });
    let mut text = String::new();
    if history["erased_at"].is_string() {
        let erased_at = format_time_value(&history["erased_at"]);
        text.push_str(&format!("The document was erased at {erased_at}.\n\n"));
    }
    if let Some(position) = history["as_of"].as_i64() {
        text.push_str(&format!("Events in effect at position {position} are marked `as-of`.\n\n"));
    }
    if events.is_empty() {
        text.push_str("This field has no reviews.\n");
    } else {
        let header = ["position", "decided at", "status", "value", "reviewer", "source", "in effect", "note"];
        text.push_str(&table(&header, &["position"], &events));
    }
    let predictions = rows("predictions", &|prediction| {
        let confidence = prediction["confidence"].as_f64().map_or("-".to_owned(), |confidence| format!("{confidence:.3}"));
        vec![
            text_cell(&prediction["extractor_version"]),
            time_value_cell(&prediction["predicted_at"]),
            format_value(&prediction["value"]),
            confidence,
        ]
    });
    if !predictions.is_empty() {
        text.push('\n');
        text.push_str(&table(&["extractor", "predicted at", "value", "confidence"], &["confidence"], &predictions));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn current_and_as_of_events_are_marked() {
        let event = |position: i64, status: &str, value: Value, is_current: bool| {
            json!({ "position": position, "occurred_at": "2026-01-01T00:00:00Z", "review_status": status, "value": value, "reviewer": "ana",
                    "source": "api", "note": null, "erased": false, "is_current": is_current, "counted_as_of": !is_current })
        };
        let history = json!({
            "as_of": 7, "erased_at": null, "predictions": [{ "extractor_version": "v1", "predicted_at": "2026-01-01T00:00:00Z", "value": [], "confidence": 0.5 }],
            "events": [event(5, "NEW", json!(["Texas"]), false), event(9, "UNREVIEWED", json!([]), true)],
        });
        let text = render(&history);
        let line = |needle: &str| text.lines().find(|line| line.contains(needle)).unwrap_or_else(|| panic!("{needle}: {text}"));
        assert!(line("Texas").contains("as-of") && line("cleared").contains("current"), "{text}");
        assert!(line("v1").contains("∅ (no value)") && line("v1").contains("0.500"), "{text}");
    }
}
