//! `aprendiz run errors`: wrong predictions of a run, with their documents.

use clap::{Args, ValueEnum};
use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::arguments::{IdArg, IdKind};
use crate::cli::document::format_value;
use crate::cli::document::name::document_name;
use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::terminal::{Output, table, text_cell};

/// Maximum page size of the API.
const MAX_PAGE_SIZE: usize = 200;
/// Maximum length of a value in the table, in characters.
const MAX_VALUE_CHARS: usize = 40;

/// Arguments of `aprendiz run errors`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  aprendiz run errors 01a1fd0a-322b-77a3-a61c-68ecd237a2dc --field governing_law
  aprendiz run errors 01a1fd0a-322b-77a3-a61c-68ecd237a2dc --gold Texas --predicted Delaware
  aprendiz run errors 01a1fd0a-322b-77a3-a61c-68ecd237a2dc --min-confidence 0.9 -o json
  aprendiz run errors @latest --slice source:label-studio
  aprendiz run errors @latest --slice 'reviewer:(none)'

An empty value stands for \"no value\": --gold ''. Errors on the validation split are marked: that split chose between candidates.")]
pub(crate) struct ErrorsArgs {
    /// Run ID
    id: IdArg,
    /// Filter by field
    #[arg(long)]
    field: Option<String>,
    /// Filter by accepted value
    #[arg(long, value_name = "VALUE")]
    gold: Option<String>,
    /// Filter by predicted value
    #[arg(long, value_name = "VALUE")]
    predicted: Option<String>,
    /// Minimum confidence of the prediction, from 0 to 1
    #[arg(long, value_name = "CONFIDENCE")]
    min_confidence: Option<f64>,
    /// Filter by slice, such as source:label-studio; `aprendiz run metrics ID --slices` lists them
    #[arg(long, value_name = "DIMENSION:VALUE")]
    slice: Option<String>,
    /// Filter by split
    #[arg(long, value_enum)]
    split: Option<Split>,
    /// Sort order
    #[arg(long, value_enum, default_value_t = Sort::Confidence)]
    sort: Sort,
    /// Maximum number of errors to list
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

/// Split of the evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Split {
    /// Test split
    Test,
    /// Validation split
    Validation,
    /// Reviewed values, for stored predictions
    Reviewed,
}

/// Sort order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sort {
    /// Most confident errors first
    Confidence,
    /// Least probable accepted values first
    Loss,
}

pub(super) async fn run(client: &Client, args: &ErrorsArgs, output: Output) -> Result<(), CliError> {
    let mut query: Vec<(&str, String)> = Vec::new();
    for (key, value) in [("field", &args.field), ("gold", &args.gold), ("predicted", &args.predicted), ("slice", &args.slice)] {
        query.extend(value.iter().map(|value| (key, value.clone())));
    }
    query.extend(args.min_confidence.map(|confidence| ("min_confidence", confidence.to_string())));
    query.extend(args.split.and_then(|split| Some(("split", split.to_possible_value()?.get_name().to_owned()))));
    query.extend(args.sort.to_possible_value().map(|sort| ("sort", sort.get_name().to_owned())));
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let id = args.id.resolve(client, IdKind::Run).await?.to_string();
    let (mut items, mut cursor) = (Vec::new(), None::<String>);
    let counts = loop {
        let mut page_query = query.clone();
        page_query.push(("limit", (limit - items.len()).min(MAX_PAGE_SIZE).to_string()));
        page_query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
        let mut page: Value = client.json(client.request(Method::GET, &["v1", "training-runs", &id, "errors"]).query(&page_query)).await?;
        if let Value::Array(found) = page["items"].take() {
            items.extend(found);
        }
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() || items.len() >= limit {
            break page["counts"].take();
        }
    };
    let found = json!({ "items": items, "counts": counts, "more": cursor.is_some() });
    output.print(&found, || render(&found))?;
    Ok(())
}

fn render(found: &Value) -> String {
    let items: Vec<&Value> = found["items"].as_array().into_iter().flatten().collect();
    let rows: Vec<Vec<String>> = items
        .iter()
        .map(|error| {
            let number = |key: &str| error[key].as_f64().map_or("-".to_owned(), |value| format!("{value:.3}"));
            let decision = match error["answered"].as_bool() {
                Some(true) => "auto",
                Some(false) => "needs review",
                None => "",
            };
            vec![
                document_name(error),
                text_cell(&error["field"]),
                shorten(&format_value(&error["gold"])),
                shorten(&format_value(&error["predicted"])),
                number("confidence"),
                number("loss"),
                decision.to_owned(),
                text_cell(&error["split"]),
            ]
        })
        .collect();
    let mut text = String::new();
    if rows.is_empty() {
        text.push_str("No wrong predictions match.\n");
    } else {
        let header = ["document", "field", "accepted", "predicted", "confidence", "loss", "decision", "split"];
        text.push_str(&table(&header, &["confidence", "loss"], &rows));
    }
    text.push('\n');
    for count in found["counts"].as_array().into_iter().flatten() {
        let (split, total, recorded) = (text_cell(&count["split"]), &count["total"], &count["recorded"]);
        let rest = if total == recorded { String::new() } else { format!("; the {recorded} with the highest confidence are recorded") };
        text.push_str(&format!("{split}: {total} wrong predictions in all fields{rest}\n"));
    }
    if found["more"] == true {
        text.push_str("There are more: increase --limit.\n");
    }
    text
}

fn shorten(value: &str) -> String {
    if value.chars().count() <= MAX_VALUE_CHARS {
        return value.to_owned();
    }
    let mut short: String = value.chars().take(MAX_VALUE_CHARS - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_have_the_names_that_users_gave_them() {
        let found = json!({
            "items": [{ "document_id": "x", "source": "label-studio", "project": "7", "task_id": "302", "field": "law", "gold": ["Texas"],
                        "predicted": [], "confidence": 0.91, "loss": null, "answered": true, "split": "test" },
                      { "document_id": "y", "source": "label-studio", "project": "7", "task_id": "303", "field": "law", "gold": ["Texas"],
                        "predicted": ["Utah"], "confidence": 0.2, "loss": null, "answered": false, "split": "test" }],
            "counts": [{ "split": "test", "total": 12_345, "recorded": 10_000 }, { "split": "validation", "total": 3, "recorded": 3 }],
            "more": true,
        });
        let text = render(&found);
        for expected in [
            "label-studio/7/302",
            "Texas",
            "∅ (no value)",
            "0.910",
            "auto",
            "needs review",
            "12345 wrong",
            "the 10000 with",
            "increase --limit",
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        assert!(render(&json!({ "items": [], "counts": [], "more": false })).starts_with("No wrong predictions match."));
    }

    #[test]
    fn long_values_are_shortened_by_characters() {
        assert_eq!(shorten(&"é".repeat(40)), "é".repeat(40));
        assert_eq!(shorten(&"é".repeat(41)), format!("{}…", "é".repeat(39)));
    }
}
