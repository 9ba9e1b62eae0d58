//! Shows all that was ever said about a field of a document.

use clap::Args;
use reqwest::Method;
use serde_json::Value;

use crate::cli::client::Client;
use crate::cli::document::find;
use crate::cli::exit::CliError;
use crate::cli::output::{Output, table};

/// Of which field, as of when.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  aprendiz document history label-studio/7/302 governing_law
  aprendiz document history label-studio/7/302 governing_law --as-of 1842
  aprendiz document history label-studio/7/302 governing_law --as-of 2026-11-21T08:00:00Z")]
pub(crate) struct HistoryArgs {
    /// Id of the document, or SOURCE/PROJECT/TASK
    document: String,
    /// Name of the field
    field: String,
    /// Mark what counted as of this position or time
    #[arg(long, value_name = "POSITION|TIME")]
    as_of: Option<String>,
}

pub(super) async fn run(client: &Client, args: &HistoryArgs, output: Output) -> Result<(), CliError> {
    let id = find(client, &args.document).await?;
    let mut request = client.request(Method::GET, &["v1", "documents", &id, "annotations", &args.field, "history"]);
    if let Some(as_of) = &args.as_of {
        request = request.query(&[("as_of", as_of)]);
    }
    let history: Value = client.json(request).await?;
    output.print(&history, || text(&history))?;
    Ok(())
}

/// A value as people read it: unreviewed, "no value", or what it is.
pub(crate) fn value_in_words(value: &Value) -> String {
    match value.as_array() {
        None => "unreviewed".to_owned(),
        Some(values) if values.is_empty() => "∅".to_owned(),
        Some(values) => values.iter().map(|value| value.as_str().unwrap_or("-")).collect::<Vec<_>>().join(" | "),
    }
}

fn text(history: &Value) -> String {
    let words = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let rows = |key: &str, row: &dyn Fn(&Value) -> Vec<String>| -> Vec<Vec<String>> {
        history[key].as_array().into_iter().flatten().map(row).collect()
    };
    let events = rows("events", &|event| {
        let undone = event["review_status"] == "UNREVIEWED";
        let value = match (event["erased"].as_bool(), undone) {
            (Some(true), _) => "(erased)".to_owned(),
            (_, true) => "undone".to_owned(),
            _ => value_in_words(&event["value"]),
        };
        let mut marks = Vec::new();
        if event["is_current"] == true {
            marks.push("current");
        }
        if event["counted_as_of"] == true {
            marks.push("then");
        }
        vec![
            event["position"].to_string(),
            words(&event["occurred_at"]),
            words(&event["review_status"]),
            value,
            words(&event["reviewer"]),
            words(&event["source"]),
            marks.join(", "),
            event["note"].as_str().unwrap_or_default().to_owned(),
        ]
    });
    let mut text = String::new();
    if let Some(erased_at) = history["erased_at"].as_str() {
        text.push_str(&format!("The document was erased at {erased_at}.\n\n"));
    }
    if let Some(position) = history["as_of"].as_i64() {
        text.push_str(&format!("What counted as of position {position} is marked `then`.\n\n"));
    }
    if events.is_empty() {
        text.push_str("Nobody has said anything about this field of this document.\n");
    } else {
        let heading = ["position", "decided at", "status", "value", "reviewer", "source", "counts", "note"];
        text.push_str(&table(&heading, &["position"], &events));
    }
    let predictions = rows("predictions", &|prediction| {
        let confidence = prediction["confidence"].as_f64().map_or("-".to_owned(), |confidence| format!("{confidence:.3}"));
        vec![words(&prediction["extractor_version"]), words(&prediction["predicted_at"]), value_in_words(&prediction["value"]), confidence]
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
    fn a_history_shows_what_counts_and_what_counted() {
        let event = |position: i64, status: &str, value: Value, is_current: bool| {
            json!({ "position": position, "occurred_at": "2026-01-01T00:00:00Z", "review_status": status, "value": value, "reviewer": "ana",
                    "source": "api", "note": null, "erased": false, "is_current": is_current, "counted_as_of": !is_current })
        };
        let history = json!({
            "as_of": 7, "erased_at": null, "predictions": [{ "extractor_version": "v1", "predicted_at": "2026-01-01T00:00:00Z", "value": [], "confidence": 0.5 }],
            "events": [event(5, "NEW", json!(["Texas"]), false), event(9, "UNREVIEWED", json!([]), true)],
        });
        let text = text(&history);
        let line = |needle: &str| text.lines().find(|line| line.contains(needle)).unwrap_or_else(|| panic!("{needle}: {text}"));
        assert!(line("Texas").contains("then") && line("undone").contains("current"), "{text}");
        assert!(line("v1").contains("∅") && line("v1").contains("0.500"), "{text}");
    }
}
