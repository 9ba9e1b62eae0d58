//! `aprendiz document get` and `aprendiz document text`.

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::document::history::format_value;
use crate::cli::document::name::document_name;
use crate::cli::document::resolve::resolve_id;
use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::terminal::{Output, print_json_line, print_text, table, text_cell};

/// Arguments of `aprendiz document text`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  aprendiz document text label-studio/7/302 > contract.txt
  aprendiz document text label-studio/7/302 --version 1")]
pub(crate) struct TextArgs {
    /// Document ID or SOURCE/PROJECT/TASK
    document: String,
    /// Version of the text [default: latest]
    #[arg(long = "version", value_name = "VERSION", value_parser = clap::value_parser!(i32).range(1..))]
    version_number: Option<i32>,
}

/// Prints a text: exactly as it is stored to a file or a pipe, with escaped control characters to a terminal.
pub(super) async fn print_document_text(client: &Client, args: &TextArgs, output: Output) -> Result<(), CliError> {
    let id = resolve_id(client, &args.document).await?;
    let query: Vec<(&str, String)> = args.version_number.iter().map(|version| ("version", version.to_string())).collect();
    let response = client.send(client.request(Method::GET, &["v1", "documents", &id, "text"]).query(&query)).await?;
    let text = response.text().await.map_err(|error| client.connection_error(&error))?;
    if !output.is_text() {
        return Ok(output.print(&json!({ "id": id, "text": text }), String::new)?);
    }
    if std::io::stdout().is_terminal() {
        print_text(&text)?
    } else {
        print_json_line(&text)?
    }
    Ok(())
}

pub(super) async fn run(client: &Client, document: &str, output: Output) -> Result<(), CliError> {
    let id = resolve_id(client, document).await?;
    let found = client.get(&["v1", "documents", &id, "overview"]).await?;
    output.print(&found, || render(&found))?;
    Ok(())
}

fn render(document: &Value) -> String {
    let explanation = &document["explanation"];
    let split = explanation["splits"].as_array().and_then(|splits| splits.last());
    let split = split.map_or("-".to_owned(), |split| format!("{} ({})", text_cell(&split["split"]), text_cell(&split["reason"])));
    let texts: Vec<&Value> = document["texts"].as_array().into_iter().flatten().collect();
    let latest = texts.last().map_or("-".to_owned(), |text| format!("version {}, {} characters", text["version"], text["characters"]));
    let metadata = document["metadata"].as_object().map_or(0, serde_json::Map::len);
    let facts = [
        ("document", document_name(document)),
        ("id", text_cell(&document["id"])),
        ("file name", text_cell(&document["file_name"])),
        ("split", split),
        ("text", latest),
        ("metadata", if metadata == 0 { "-".to_owned() } else { document["metadata"].to_string() }),
        ("imported", text_cell(&document["created_at"])),
        ("changed", text_cell(&document["updated_at"])),
    ];
    let mut text = String::new();
    for (name, value) in facts {
        let _ = writeln!(text, "{name:<10} {value}");
    }
    let fields: Vec<Vec<String>> = document["fields"].as_array().into_iter().flatten().map(field_row).collect();
    if fields.is_empty() {
        text.push_str("\nno predictions and no reviews\n");
    } else {
        text.push('\n');
        text.push_str(&table(&["field", "status", "accepted", "predicted", "reviewer", "version"], &["version"], &fields));
    }
    let near: Vec<Vec<String>> = explanation["near_duplicates"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|near| {
            vec![document_name(near), format!("{:.3}", near["containment"].as_f64().unwrap_or_default()), text_cell(&near["split"])]
        })
        .collect();
    if !near.is_empty() {
        text.push('\n');
        text.push_str(&table(&["near-duplicate", "containment", "split"], &["containment"], &near));
    }
    if texts.len() > 1 {
        let rows: Vec<Vec<String>> = texts
            .iter()
            .map(|text| {
                vec![
                    text["version"].to_string(),
                    text["characters"].to_string(),
                    text_cell(&text["created_at"]),
                    text_cell(&text["sha256"]),
                ]
            })
            .collect();
        text.push('\n');
        text.push_str(&table(&["text", "characters", "stored", "sha256"], &["text", "characters"], &rows));
    }
    text
}

fn field_row(field: &Value) -> Vec<String> {
    let value = |value: &Value| if value.is_null() { "-".to_owned() } else { format_value(value) };
    vec![
        field["field"].as_str().unwrap_or("-").to_owned(),
        field["review_status"].as_str().unwrap_or("-").to_owned(),
        value(&field["accepted_value"]),
        value(&field["predicted_value"]),
        field["reviewer"].as_str().unwrap_or("-").to_owned(),
        field["version"].to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_split_near_duplicates_and_versions_are_shown() {
        let document = json!({
            "id": "x", "source": "api", "project": "7", "task_id": "302", "file_name": "a.txt", "metadata": { "client": "Acme" },
            "created_at": "2026-11-01T00:00:00Z", "updated_at": "2026-11-02T00:00:00Z",
            "fields": [{ "field": "law", "review_status": "REJECTED", "accepted_value": [], "predicted_value": ["Texas"], "reviewer": "ana", "version": 2 },
                       { "field": "kind", "review_status": "UNREVIEWED", "accepted_value": null, "predicted_value": ["Sale"], "reviewer": null, "version": 1 }],
            "explanation": { "splits": [{ "split": "test", "reason": "hash" }],
                             "near_duplicates": [{ "source": "api", "project": "7", "task_id": "303", "containment": 0.75, "split": "test" }] },
            "texts": [{ "version": 1, "characters": 10, "sha256": "a", "created_at": "t" }, { "version": 2, "characters": 12, "sha256": "b", "created_at": "t" }],
        });
        let text = render(&document);
        for expected in ["api/7/302", "test (hash)", "version 2, 12 characters", "Acme", "∅ (no value)", "UNREVIEWED", "api/7/303", "0.750"]
        {
            assert!(text.contains(expected), "{expected}: {text}");
        }
    }
}
